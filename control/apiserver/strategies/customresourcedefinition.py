"""CustomResourceDefinitions: names completed, versions remembered, and deletion that waits for the objects."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import customresourcedefinition as rules
from fairlead.api import custom
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1
from fairlead.api.pb import meta_v1_pb2 as metav1

Definition = apiextensionsv1.CustomResourceDefinition

SERVICE_PORT = 443


class DefinitionStrategy(strategy.Strategy[Definition]):
    """The rules of CustomResourceDefinitions."""

    message = Definition
    short_finalizers = True
    allow_unconditional_update = False

    def default(self, obj: Definition) -> None:
        """Complete the names, and say that versions differ in nothing but their name."""
        named = obj.spec.names
        named.singular = named.singular or named.kind.lower()
        if not named.listKind and named.kind:
            named.listKind = f"{named.kind}List"
        conversion = obj.spec.conversion
        conversion.strategy = conversion.strategy or "None"
        if conversion.webhook.clientConfig.HasField("service"):
            service = conversion.webhook.clientConfig.service
            if not service.HasField("port"):
                service.port = SERVICE_PORT

    def prepare_for_create(self, obj: Definition) -> None:
        """Start with an empty status, but for the version that objects are stored at."""
        obj.ClearField("status")
        obj.metadata.generation = 1
        remember_stored(obj)

    def validate(self, obj: Definition) -> field.Faults:
        """Judge a new definition."""
        return rules.validate(obj)

    def prepare_for_update(self, obj: Definition, old: Definition) -> None:
        """Keep the status, remember a new storage version, and count the generation."""
        strategy.keep_status(obj, old)
        remember_stored(obj)
        strategy.count_generation(obj, old)

    def validate_update(self, obj: Definition, old: Definition) -> field.Faults:
        """Judge a changed definition."""
        return rules.validate_update(obj, old)

    def validate_status_update(self, obj: Definition, old: Definition) -> field.Faults:
        """Judge a changed status."""
        return rules.validate_status(obj)

    def grace(self, obj: Definition, options: metav1.DeleteOptions) -> strategy.Grace | None:
        """Mark a definition and keep it until its objects are gone."""
        return None

    def begin_deletion(self, obj: Definition) -> None:
        """Hold the definition by its finalizer until its objects are deleted."""
        if custom.FINALIZER not in obj.metadata.finalizers:
            obj.metadata.finalizers.append(custom.FINALIZER)
        found = custom.condition(obj, custom.TERMINATING) or obj.status.conditions.add(type=custom.TERMINATING)
        found.status = "True"
        found.lastTransitionTime.CopyFrom(obj.metadata.deletionTimestamp)
        found.reason = "InstanceDeletionPending"
        found.message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"


def remember_stored(obj: Definition) -> None:
    """Add the storage version to those at which objects may lie in etcd."""
    version = custom.storage_version(obj)
    if version and version not in obj.status.storedVersions:
        obj.status.storedVersions.append(version)
