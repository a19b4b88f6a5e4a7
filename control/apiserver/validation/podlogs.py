"""What is wrong with the options of a pod's log. Pure."""

from __future__ import annotations

from control.apiserver import field
from fairlead.api.pb import core_v1_pb2 as corev1

STREAMS = ("All", "Stderr", "Stdout")


def validate(options: corev1.PodLogOptions) -> field.Faults:
    """Return the faults of options, worded as Kubernetes words them."""
    faults = []
    if options.HasField("tailLines") and options.tailLines < 0:
        faults.append(field.invalid("tailLines", options.tailLines, "must be greater than or equal to 0"))
    if options.HasField("limitBytes") and options.limitBytes < 1:
        faults.append(field.invalid("limitBytes", options.limitBytes, "must be greater than 0"))
    if options.HasField("sinceSeconds") and options.HasField("sinceTime"):
        faults.append(field.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif options.HasField("sinceSeconds") and options.sinceSeconds < 1:
        faults.append(field.invalid("sinceSeconds", options.sinceSeconds, "must be greater than 0"))
    if options.HasField("stream"):
        if options.stream not in STREAMS:
            faults.append(field.unsupported("stream", options.stream, STREAMS))
        elif options.stream != "All" and options.HasField("tailLines"):
            text = "`tailLines` and specific `stream` are mutually exclusive for now"
            faults.append(field.forbidden("", text))
    return faults
