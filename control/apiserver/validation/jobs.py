"""Rules on Jobs: counts and limits, policies on failure and success, the selector that the server makes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from control.apiserver import field, notation
from control.apiserver.validation import meta, names, numbers, podspec, selectors, workloads
from fairlead.api import codec, indexes, objects
from fairlead.api import selectors as matching
from fairlead.api.pb import batch_v1_pb2 as batchv1
from fairlead.api.pb import core_v1_pb2 as corev1

UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
OLD_UID_LABEL, OLD_NAME_LABEL = "controller-uid", "job-name"
INDEXED = "Indexed"
MODES = ("NonIndexed", INDEXED)
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
EXIT_CODE_OPERATORS = ("In", "NotIn")
CONDITION_STATUSES = ("False", "True", "Unknown")
REPLACEMENTS = frozenset({"Failed", "TerminatingOrFailed"})
MAX_PARALLELISM = MAX_FAILED_INDEXES = MANY_COMPLETIONS = 100_000
MAX_FOR_MANY = 10_000
MAX_RULES = 20
MAX_EXIT_CODES = 255
MAX_MANAGER_BYTES = 63
MAX_INDEXES_BYTES = 64 * 1024
COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def select(job: batchv1.Job) -> None:
    """Label a new Job's pods with its name and uid, and select them by the uid; what the user wrote stays."""
    labels = job.spec.template.metadata.labels
    for key, value in _generated_labels(job).items():
        if key not in labels:
            labels[key] = value
    if UID_LABEL not in job.spec.selector.matchLabels:
        job.spec.selector.matchLabels[UID_LABEL] = job.metadata.uid


def _generated_labels(job: batchv1.Job) -> dict[str, str]:
    name, uid = job.metadata.name, job.metadata.uid
    return {OLD_UID_LABEL: uid, OLD_NAME_LABEL: name, UID_LABEL: uid, NAME_LABEL: name}


def generated(job: batchv1.Job) -> field.Faults:
    """Judge that the selector and the labels are the generated ones, unless the user makes them."""
    if job.spec.manualSelector or not job.spec.HasField("selector"):
        return []
    faults: field.Faults = []
    labels, expected = job.spec.template.metadata.labels, _generated_labels(job)
    for key, value in expected.items():
        at = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            faults.append(field.required(at, f"must be '{value}'"))
        elif labels[key] != value:
            faults.append(field.invalid(at, notation.labels(labels), f"must be '{value}'"))
    if not selectors.validate(job.spec.selector, "") and not matching.of_message(job.spec.selector).matches(expected):
        shown = notation.selector(job.spec.selector)
        faults.append(field.invalid("spec.selector", shown, "`selector` not auto-generated"))
    return faults


def hostnames(job: batchv1.Job) -> field.Faults:
    """Judge that an indexed Job's name and its largest index make a host name."""
    spec = job.spec
    if spec.completionMode != INDEXED or spec.completions <= 0:
        return []
    longest = f"{job.metadata.name}-{spec.completions - 1}"
    if not names.label(longest):
        return []
    text = f"will not able to create pod with invalid DNS label: {longest}"
    return [field.invalid("metadata.name", job.metadata.name, text)]


def validate(spec: batchv1.JobSpec, path: str) -> field.Faults:
    """Judge a Job's spec, its selector included."""
    faults = unselected(spec, path)
    if not spec.HasField("selector"):
        faults.append(field.required(f"{path}.selector"))
    found = selectors.validate(spec.selector, f"{path}.selector")
    return faults + (found or workloads.mismatch(spec))


def unselected(spec: batchv1.JobSpec, path: str) -> field.Faults:
    """Judge a Job's spec but for its selector, as a CronJob's template has it."""
    faults: field.Faults = []
    for name in COUNTS:
        faults += numbers.not_negative(f"{path}.{name}", getattr(spec, name))
    if spec.HasField("maxFailedIndexes") and not spec.HasField("backoffLimitPerIndex"):
        faults.append(field.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.HasField("managedBy"):
        faults += _manager(spec.managedBy, f"{path}.managedBy")
    if spec.HasField("completionMode") and spec.completionMode not in MODES:
        faults.append(field.unsupported(f"{path}.completionMode", spec.completionMode, MODES))
    if spec.completionMode == INDEXED:
        faults += _indexed(spec, path)
    elif spec.completionMode in ("", "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.HasField(name):
                text = "requires indexed completion mode"
                faults.append(field.invalid(f"{path}.{name}", getattr(spec, name), text))
    if spec.HasField("podFailurePolicy"):
        faults += _failure_policy(spec, f"{path}.podFailurePolicy.rules")
    if spec.HasField("successPolicy"):
        faults += _success_policy(spec, f"{path}.successPolicy")
    if spec.HasField("podReplacementPolicy"):
        supported = frozenset({"Failed"}) if spec.HasField("podFailurePolicy") else REPLACEMENTS
        if spec.podReplacementPolicy not in supported:
            at = f"{path}.podReplacementPolicy"
            faults.append(field.unsupported(at, spec.podReplacementPolicy, supported))
    faults += podspec.validate_template(spec.template, f"{path}.template")
    return faults + _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _restart_policy(spec: batchv1.JobSpec, path: str) -> field.Faults:
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always"):
        return [field.required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [field.unsupported(path, policy, ("OnFailure", "Never"))]
    if spec.HasField("podFailurePolicy") and policy != "Never":
        return [field.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def _manager(value: str, path: str) -> field.Faults:
    faults = meta.domain_prefixed_path(value, path)
    if len(value.encode()) > MAX_MANAGER_BYTES:
        faults.append(field.too_long(path, MAX_MANAGER_BYTES))
    return faults


def _indexed(spec: batchv1.JobSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    if not spec.HasField("completions"):
        faults.append(field.required(f"{path}.completions", "when completion mode is Indexed"))
    if spec.parallelism > MAX_PARALLELISM:
        text = f"must be less than or equal to {MAX_PARALLELISM} when completion mode is Indexed"
        faults.append(field.invalid(f"{path}.parallelism", spec.parallelism, text))
    failed = f"{path}.maxFailedIndexes"
    if spec.HasField("completions") and spec.maxFailedIndexes > spec.completions:
        faults.append(field.invalid(failed, spec.maxFailedIndexes, "must be less than or equal to completions"))
    if spec.maxFailedIndexes > MAX_FAILED_INDEXES:
        text = f"must be less than or equal to {MAX_FAILED_INDEXES}"
        faults.append(field.invalid(failed, spec.maxFailedIndexes, text))
    if spec.completions <= MANY_COMPLETIONS or not spec.HasField("backoffLimitPerIndex"):
        return faults
    if not spec.HasField("maxFailedIndexes"):
        faults.append(field.required(failed, f"must be specified when completions is above {MANY_COMPLETIONS}"))
    text = (
        f"must be less than or equal to {MAX_FOR_MANY} when completions are above {MANY_COMPLETIONS}"
        " and used with backoff limit per index"
    )
    for name in ("parallelism", "maxFailedIndexes"):
        if getattr(spec, name) > MAX_FOR_MANY:
            faults.append(field.invalid(f"{path}.{name}", getattr(spec, name), text))
    return faults


def _listed(values: Iterable[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def _failure_policy(spec: batchv1.JobSpec, path: str) -> field.Faults:
    rules = spec.podFailurePolicy.rules
    faults = [field.too_many(path, len(rules), MAX_RULES)] if len(rules) > MAX_RULES else []
    pod = spec.template.spec
    containers = {one.name for one in (*pod.containers, *pod.initContainers)}
    for index, rule in enumerate(rules):
        at = f"{path}[{index}]"
        if not rule.action:
            faults.append(field.required(f"{at}.action", f"valid values: {_listed(ACTIONS)}"))
        elif rule.action == "FailIndex" and not spec.HasField("backoffLimitPerIndex"):
            text = "requires the backoffLimitPerIndex to be set"
            faults.append(field.invalid(f"{at}.action", rule.action, text))
        elif rule.action not in ACTIONS:
            faults.append(field.unsupported(f"{at}.action", rule.action, ACTIONS))
        faults += _failure_rule(rule, at, containers)
    return faults


def _failure_rule(rule: batchv1.PodFailurePolicyRule, path: str, containers: Collection[str]) -> field.Faults:
    faults: field.Faults = []
    if rule.HasField("onExitCodes"):
        faults += _exit_codes(rule.onExitCodes, f"{path}.onExitCodes", containers)
    at = f"{path}.onPodConditions"
    if len(rule.onPodConditions) > MAX_RULES:
        faults.append(field.too_many(at, len(rule.onPodConditions), MAX_RULES))
    for index, pattern in enumerate(rule.onPodConditions):
        faults += field.invalids(f"{at}[{index}].type", pattern.type, names.qualified(pattern.type))
        if not pattern.status:
            faults.append(field.required(f"{at}[{index}].status", f"valid values: {_listed(CONDITION_STATUSES)}"))
        elif pattern.status not in CONDITION_STATUSES:
            faults.append(field.unsupported(f"{at}[{index}].status", pattern.status, CONDITION_STATUSES))
    if rule.HasField("onExitCodes") and rule.onPodConditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        faults.append(field.invalid(path, field.OMITTED, text))
    if not rule.HasField("onExitCodes") and not rule.onPodConditions:
        text = "specifying one of OnExitCodes and OnPodConditions is required"
        faults.append(field.invalid(path, field.OMITTED, text))
    return faults


def _exit_codes(
    wanted: batchv1.PodFailurePolicyOnExitCodesRequirement, path: str, containers: Collection[str]
) -> field.Faults:
    faults: field.Faults = []
    if not wanted.operator:
        faults.append(field.required(f"{path}.operator", f"valid values: {_listed(EXIT_CODE_OPERATORS)}"))
    elif wanted.operator not in EXIT_CODE_OPERATORS:
        faults.append(field.unsupported(f"{path}.operator", wanted.operator, EXIT_CODE_OPERATORS))
    if wanted.HasField("containerName") and wanted.containerName not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        faults.append(field.invalid(f"{path}.containerName", wanted.containerName, text))
    values = list(wanted.values)
    at = f"{path}.values"
    if not values:
        faults.append(field.invalid(at, notation.int32s(values), "at least one value is required"))
    elif len(values) > MAX_EXIT_CODES:
        faults.append(field.too_many(at, len(values), MAX_EXIT_CODES))
    again = field.repeats(values)
    for index, value in enumerate(values):
        if wanted.operator == "In" and value == 0:
            faults.append(field.invalid(f"{at}[{index}]", value, "must not be 0 for the In operator"))
        if index in again:
            faults.append(field.duplicate(f"{at}[{index}]", value))
    if values != sorted(values):
        faults.append(field.invalid(at, notation.int32s(values), "must be ordered"))
    return faults


def _success_policy(spec: batchv1.JobSpec, path: str) -> field.Faults:
    if spec.completionMode != INDEXED:
        text = "requires indexed completion mode"
        return [field.invalid(path, notation.struct(spec.successPolicy), text)]
    rules = spec.successPolicy.rules
    faults: field.Faults = []
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        faults.append(field.required(f"{path}.rules", text))
    if len(rules) > MAX_RULES:
        faults.append(field.too_many(f"{path}.rules", len(rules), MAX_RULES))
    for index, rule in enumerate(rules):
        faults += _success_rule(rule, f"{path}.rules[{index}]", spec.completions)
    return faults


def _success_rule(rule: batchv1.SuccessPolicyRule, path: str, completions: int) -> field.Faults:
    faults: field.Faults = []
    if not rule.HasField("succeededCount") and not rule.HasField("succeededIndexes"):
        text = "at least one of succeededCount or succeededIndexes must be specified"
        faults.append(field.required(path, text))
    total = 0
    if rule.HasField("succeededIndexes"):
        at = f"{path}.succeededIndexes"
        if len(rule.succeededIndexes) > MAX_INDEXES_BYTES:
            faults.append(field.too_long(at, MAX_INDEXES_BYTES))
        try:
            total = indexes.count(indexes.parse(rule.succeededIndexes, completions))
        except ValueError as error:
            faults.append(field.invalid(at, rule.succeededIndexes, f"error parsing succeededIndexes: {error}"))
    if rule.HasField("succeededCount"):
        at, count = f"{path}.succeededCount", rule.succeededCount
        faults += numbers.not_negative(at, count)
        if count > completions:
            text = f"must be less than or equal to {completions} (the number of specified completions)"
            faults.append(field.invalid(at, count, text))
        if rule.HasField("succeededIndexes") and count > total:
            text = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes"
            faults.append(field.invalid(at, count, f"{text} field)"))
    return faults


def validate_update(job: batchv1.Job, old: batchv1.Job) -> field.Faults:
    """Judge what an update changes of a Job."""
    spec, before = job.spec, old.spec
    faults: field.Faults = []
    if spec.completionMode != INDEXED:
        changed = _differs(spec, before, "completions")
        faults += meta.immutable("spec.completions", _shown(spec, "completions"), changed)
    elif spec.HasField("completions") and spec.completions not in (before.completions, spec.parallelism):
        text = "can only be modified in tandem with spec.parallelism"
        faults.append(field.invalid("spec.completions", spec.completions, text))
    faults += workloads.same_selector(spec, before)
    changed = codec.to_json(spec.template) != codec.to_json(_comparable(job, old))
    faults += meta.immutable("spec.template", notation.struct(spec.template), changed)
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        faults += meta.immutable(f"spec.{name}", _shown(spec, name), _differs(spec, before, name))
    return faults


def _comparable(job: batchv1.Job, old: batchv1.Job) -> corev1.PodTemplateSpec:
    """Return the old template with what may change taken from the new one: where a Job not yet started may run."""
    template = objects.copy(old).spec.template
    if not old.spec.suspend or old.status.HasField("startTime"):
        return template
    fresh = job.spec.template
    if fresh.spec.affinity.HasField("nodeAffinity"):
        template.spec.affinity.nodeAffinity.CopyFrom(fresh.spec.affinity.nodeAffinity)
    else:
        template.spec.affinity.ClearField("nodeAffinity")
    if not fresh.spec.HasField("affinity") and not template.spec.affinity.ListFields():
        template.spec.ClearField("affinity")
    for name in ("nodeSelector", "tolerations", "schedulingGates"):
        template.spec.ClearField(name)
        getattr(template.spec, name).MergeFrom(getattr(fresh.spec, name))
    for name in ("labels", "annotations"):
        template.metadata.ClearField(name)
        getattr(template.metadata, name).MergeFrom(getattr(fresh.metadata, name))
    return template


def _differs(spec: batchv1.JobSpec, old: batchv1.JobSpec, name: str) -> bool:
    if spec.HasField(name) != old.HasField(name):
        return True
    return bool(getattr(spec, name) != getattr(old, name))


def _shown(spec: batchv1.JobSpec, name: str) -> field.Value:
    if not spec.HasField(name):
        return None
    value = getattr(spec, name)
    return value if isinstance(value, (str, int)) else notation.struct(value)
