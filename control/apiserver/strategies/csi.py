"""CSIDrivers, CSINodes and CSIStorageCapacities: storage drivers, where they run, and what is left to give."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field, notation
from control.apiserver.advice import labels
from control.apiserver.strategies import storageclass, strategy
from control.apiserver.validation import meta, names, numbers, selectors
from fairlead.api.pb import storage_v1_pb2 as storagev1

GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")
LEAST_TOKEN_SECONDS = 600
MOST_TOKEN_SECONDS = 1 << 32
MAX_NODE_ID = 256


class CSIDriverStrategy(strategy.Strategy[storagev1.CSIDriver]):
    """The rules of CSIDrivers."""

    message = storagev1.CSIDriver
    allow_unconditional_update = False

    def default(self, obj: storagev1.CSIDriver) -> None:
        """Fill in what a driver is like that says nothing."""
        spec = obj.spec
        for name, value in (
            ("attachRequired", True),
            ("podInfoOnMount", False),
            ("storageCapacity", False),
            ("fsGroupPolicy", "ReadWriteOnceWithFSType"),
            ("requiresRepublish", False),
            ("seLinuxMount", False),
        ):
            if not spec.HasField(name):
                setattr(spec, name, value)
        if not spec.volumeLifecycleModes:
            spec.volumeLifecycleModes.append("Persistent")

    def prepare_for_update(self, obj: storagev1.CSIDriver, old: storagev1.CSIDriver) -> None:
        """Count the generation where something changed that may."""
        obj.metadata.generation = old.metadata.generation
        same = list(obj.spec.tokenRequests) == list(old.spec.tokenRequests)
        for name in ("requiresRepublish", "seLinuxMount"):
            same = same and getattr(obj.spec, name) == getattr(old.spec, name)
        obj.metadata.generation += 0 if same else 1

    def validate(self, obj: storagev1.CSIDriver) -> field.Faults:
        """Judge a CSIDriver."""
        spec, faults = obj.spec, field.Faults()
        if spec.fsGroupPolicy not in GROUP_POLICIES:
            faults.append(field.unsupported("spec.fsGroupPolicy", spec.fsGroupPolicy, GROUP_POLICIES))
        seen: set[str] = set()
        for index, wanted in enumerate(spec.tokenRequests):
            at = f"spec.tokenRequests[{index}]"
            if wanted.audience in seen:
                faults.append(field.duplicate(f"{at}.audience", wanted.audience))
                continue
            seen.add(wanted.audience)
            seconds, path = wanted.expirationSeconds, f"{at}.expirationSeconds"
            if wanted.HasField("expirationSeconds") and seconds < LEAST_TOKEN_SECONDS:
                faults.append(field.invalid(path, seconds, "may not specify a duration less than 10 minutes"))
            if seconds > MOST_TOKEN_SECONDS:
                faults.append(field.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds"))
        for mode in spec.volumeLifecycleModes:
            if mode not in LIFECYCLES:
                faults.append(field.unsupported("spec.volumeLifecycleModes", mode, LIFECYCLES))
        return faults

    def validate_update(self, obj: storagev1.CSIDriver, old: storagev1.CSIDriver) -> field.Faults:
        """Judge a changed CSIDriver: how volumes are attached, and for how long they live, stays."""
        faults, attach = self.validate(obj), obj.spec.attachRequired
        # the field's name is Kubernetes' own slip
        faults += meta.immutable("spec.attachedRequired", attach, attach != old.spec.attachRequired)
        modes = list(obj.spec.volumeLifecycleModes)
        if modes != list(old.spec.volumeLifecycleModes):
            shown = notation.typed_strings("storage.VolumeLifecycleMode", modes)
            faults += meta.immutable("spec.volumeLifecycleModes", shown, True)
        return faults


class CSINodeStrategy(strategy.Strategy[storagev1.CSINode]):
    """The rules of CSINodes."""

    message = storagev1.CSINode
    allow_unconditional_update = False

    def validate(self, obj: storagev1.CSINode) -> field.Faults:
        """Judge a CSINode."""
        faults: field.Faults = []
        seen: set[str] = set()
        for index, driver in enumerate(obj.spec.drivers):
            path = f"spec.drivers[{index}]"
            faults += storageclass.driver_name(f"{path}.name", driver.name)
            if not driver.nodeID:
                faults.append(field.required(f"{path}.nodeID"))
            elif len(driver.nodeID) > MAX_NODE_ID:
                text = f"must be {MAX_NODE_ID} characters or less"
                faults.append(field.invalid(f"{path}.nodeID", driver.nodeID, text))
            faults += numbers.not_negative(f"{path}.allocatable.count", driver.allocatable.count)
            if driver.name in seen:
                faults.append(field.duplicate(f"{path}.name", driver.name))
            seen.add(driver.name)
            again = field.repeats(driver.topologyKeys)
            for number, key in enumerate(driver.topologyKeys):
                faults += [] if key else [field.required(path)]
                if number in again:
                    faults.append(field.duplicate(path, key))
                faults += field.invalids(path, key, names.qualified(key))
        return faults

    def validate_update(self, obj: storagev1.CSINode, old: storagev1.CSINode) -> field.Faults:
        """Judge a changed CSINode: a driver comes and goes as a whole."""
        faults, before = self.validate(obj), {driver.name: driver for driver in old.spec.drivers}
        for driver in obj.spec.drivers:
            if driver.name in before and not strategy.same(driver, before[driver.name]):
                faults += meta.immutable("spec.drivers", notation.struct(driver), True)
        return faults


class CSIStorageCapacityStrategy(strategy.Strategy[storagev1.CSIStorageCapacity]):
    """The rules of CSIStorageCapacities."""

    message = storagev1.CSIStorageCapacity
    allow_unconditional_update = False

    def advise(self, obj: storagev1.CSIStorageCapacity, old: storagev1.CSIStorageCapacity | None) -> Iterable[str]:
        """Warn of deprecated labels of nodes."""
        for index, rule in enumerate(obj.nodeTopology.matchExpressions):
            if rule.key in labels.DEPRECATED:
                yield f"nodeTopology.matchExpressions[{index}].key: {rule.key} is {labels.DEPRECATED[rule.key]}"
        for key in sorted(obj.nodeTopology.matchLabels):
            if key in labels.DEPRECATED:
                yield f"nodeTopology.matchLabels.{key}: {labels.DEPRECATED[key]}"

    def validate(self, obj: storagev1.CSIStorageCapacity) -> field.Faults:
        """Judge a CSIStorageCapacity."""
        faults = selectors.validate(obj.nodeTopology, "nodeTopology")
        faults += field.invalids("storageClassName", obj.storageClassName, names.subdomain(obj.storageClassName))
        if obj.HasField("capacity"):
            faults += numbers.amount("capacity", "storage", obj.capacity)[1]
        return faults

    def validate_update(self, obj: storagev1.CSIStorageCapacity, old: storagev1.CSIStorageCapacity) -> field.Faults:
        """Judge a changed CSIStorageCapacity: what was asked for stays, the answer changes."""
        faults: field.Faults = []
        if not strategy.same(obj.nodeTopology, old.nodeTopology):
            faults += meta.immutable("nodeTopology", notation.selector(obj.nodeTopology), True)
        name = obj.storageClassName
        return faults + meta.immutable("storageClassName", name, name != old.storageClassName)
