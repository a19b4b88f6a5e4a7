"""APIServices: which group and version of the API is served here, and which by a Service."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import names
from fairlead.api import conditions
from fairlead.api import names as naming
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1

AVAILABLE = "Available"
STATUSES = ("True", "False", "Unknown")
MAX_GROUP_PRIORITY = 20000
MAX_VERSION_PRIORITY = 1000
PORT = 443


class APIServiceStrategy(strategy.Strategy[apiregistrationv1.APIService]):
    """The rules of APIServices."""

    message = apiregistrationv1.APIService
    allow_unconditional_update = False

    def name_rule(self, name: str) -> names.Found:
        """Judge a name: it stands in a path; `validate` compares it with group and version."""
        return tuple(naming.path_segment(name))

    def default(self, obj: apiregistrationv1.APIService) -> None:
        """Ask a Service at its port for HTTPS."""
        if obj.spec.HasField("service") and not obj.spec.service.HasField("port"):
            obj.spec.service.port = PORT

    def prepare_for_create(self, obj: apiregistrationv1.APIService) -> None:
        """Start without status; what is served here is available from the start."""
        strategy.drop_status(obj)
        if not obj.spec.HasField("service"):
            conditions.set_condition(
                obj.status.conditions,
                AVAILABLE,
                conditions.TRUE,
                obj.metadata.creationTimestamp,
                reason="Local",
                message="Local APIServices are always available",
            )

    def prepare_for_update(self, obj: apiregistrationv1.APIService, old: apiregistrationv1.APIService) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)

    def prepare_for_status_update(self, obj: apiregistrationv1.APIService, old: apiregistrationv1.APIService) -> None:
        """Keep all but the status."""
        strategy.keep_all_but_status(obj, old)
        strategy.keep_user_metadata(obj, old)

    def validate(self, obj: apiregistrationv1.APIService) -> field.Faults:
        """Judge an APIService."""
        spec, faults = obj.spec, field.Faults()
        wanted, name = f"{spec.version}.{spec.group}", obj.metadata.name
        if not self.name_rule(name) and name != wanted:
            text = f'must be `spec.version+"."+spec.group`: {field.shown(wanted)}'
            faults.append(field.invalid("metadata.name", name, text))
        if not spec.group and spec.version != "v1":
            text = "only v1 may have an empty group and it better be legacy kube"
            faults.append(field.required("spec.group", text))
        elif spec.group:
            faults += field.invalids("spec.group", spec.group, names.subdomain(spec.group))
        faults += field.invalids("spec.version", spec.version, names.label_1035(spec.version))
        for part, most in (
            ("groupPriorityMinimum", MAX_GROUP_PRIORITY),
            ("versionPriority", MAX_VERSION_PRIORITY),
        ):
            if not 0 < getattr(spec, part) <= most:
                text = f"must be positive and less than {most}"
                faults.append(field.invalid(f"spec.{part}", getattr(spec, part), text))
        return faults + _backend(spec)

    def validate_status_update(
        self, obj: apiregistrationv1.APIService, old: apiregistrationv1.APIService
    ) -> field.Faults:
        """Judge the conditions."""
        return [
            field.unsupported(f"status.conditions[{index}].status", one.status, STATUSES)
            for index, one in enumerate(obj.status.conditions)
            if one.status not in STATUSES
        ]


def _backend(spec: apiregistrationv1.APIServiceSpec) -> field.Faults:
    """Judge who answers, and how it is trusted."""
    faults, insecure = field.Faults(), spec.insecureSkipTLSVerify
    if not spec.HasField("service"):
        if spec.caBundle:
            text = "local APIServices may not have a caBundle"
            faults.append(field.invalid("spec.caBundle", f"{len(spec.caBundle)} bytes", text))
        if insecure:
            text = "local APIServices may not have insecureSkipTLSVerify"
            faults.append(field.invalid("spec.insecureSkipTLSVerify", insecure, text))
        return faults
    for part in ("namespace", "name"):
        if not getattr(spec.service, part):
            faults.append(field.required(f"spec.service.{part}"))
    if found := names.port(spec.service.port):
        text = f"port is not valid: {', '.join(found)}"
        faults.append(field.invalid("spec.service.port", spec.service.port, text))
    if insecure and spec.caBundle:
        text = "may not be true if caBundle is present"
        faults.append(field.invalid("spec.insecureSkipTLSVerify", insecure, text))
    return faults
