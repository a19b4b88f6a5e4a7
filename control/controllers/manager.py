"""All controllers of one control process, under one election.

control/__main__ makes a `Manager` and awaits `run`. Informers are shared and followed from the start, so that a
candidate that wins begins at once; the loops run only here, where the lease is held. Each controller acts as its
own service account, as Kubernetes' do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from control.controllers import (
    admissionpolicies,
    apiservices,
    certificates,
    clusterroles,
    csrcleaner,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    flowschemas,
    framework,
    garbagecollector,
    mirroring,
    namespace,
    nodelifecycle,
    podcidr,
    podgc,
    protection,
    replicaset,
    replicationcontroller,
    resourcequota,
    serviceaccount,
    tokensecrets,
)
from fairlead import clock as clocks
from fairlead.client import events, informer, interface, leader

LEASE_NAME = "kube-controller-manager"
USER = "system:kube-controller-manager"
ACCOUNT = "system:serviceaccount:kube-system:"

Make = Callable[[framework.Context], framework.Controller]


def controllers(
    pool: podcidr.Pool,
    root_ca: str = "",
    sign: certificates.Sign | None = None,
    give_tokens: bool = False,
    aggregated: apiservices.Access = apiservices.DIRECTLY,
    check_types: admissionpolicies.Check = admissionpolicies.unchecked,
) -> Sequence[tuple[str, Make]]:
    """Return how each controller is made, with the service account that it acts as; "" for the manager's own user.

    `aggregated` says how aggregated APIs are asked.
    """
    made: list[tuple[str, Make]] = [
        ("replicaset-controller", replicaset.ReplicaSetController),
        ("deployment-controller", deployment.DeploymentController),
        ("endpointslice-controller", endpointslice.EndpointSliceController),
        ("endpointslicemirroring-controller", mirroring.MirroringController),
        ("disruption-controller", disruption.DisruptionController),
        ("endpoint-controller", endpoints.EndpointsController),
        ("replication-controller", replicationcontroller.ReplicationControllerController),
        ("node-controller", lambda context: podcidr.PodCidrController(context, pool)),
        ("node-controller", nodelifecycle.NodeLifecycleController),
        ("pod-garbage-collector", podgc.PodGarbageCollector),
        ("namespace-controller", namespace.NamespaceController),
        ("generic-garbage-collector", garbagecollector.GarbageCollector),
        ("service-account-controller", serviceaccount.ServiceAccountController),
        ("clusterrole-aggregation-controller", clusterroles.ClusterRoleAggregation),
        ("resourcequota-controller", resourcequota.ResourceQuotaController),
        ("pvc-protection-controller", protection.ClaimProtection),
        ("pv-protection-controller", protection.VolumeProtection),
        ("certificate-controller", csrcleaner.CertificateRequestCleaner),
        ("flow-schema-status-controller", flowschemas.FlowSchemaStatusController),
        (
            "validatingadmissionpolicy-status-controller",
            lambda context: admissionpolicies.AdmissionPolicyStatusController(context, check_types),
        ),
    ]
    made += [
        ("apiservice-registration-controller", apiservices.RegistrationController),
        (
            "apiservice-availability-controller",
            lambda context: apiservices.AvailabilityController(context, aggregated),
        ),
    ]
    if root_ca:
        made.append(("root-ca-cert-publisher", lambda context: serviceaccount.RootCaPublisher(context, root_ca)))
        made.append(("", lambda context: tokensecrets.TokenSecretController(context, root_ca, give=give_tokens)))
    if sign is not None:
        signer = sign
        made.append(("certificate-controller", lambda context: certificates.CertificateController(context, signer)))
    return made


class Manager:
    """The controllers, their informers and recorders, and the election that they run under."""

    def __init__(
        self,
        clients: interface.ClientFactory,
        identity: str,
        *,
        pool: podcidr.Pool | None = None,
        root_ca: str = "",
        sign: certificates.Sign | None = None,
        give_tokens: bool = False,
        aggregated: apiservices.Access = apiservices.DIRECTLY,
        check_types: admissionpolicies.Check = admissionpolicies.unchecked,
        clock: clocks.Clock = clocks.SYSTEM,
        timing: leader.Timing = leader.DEFAULT_TIMING,
    ) -> None:
        own = clients.as_user(USER)
        self.informers = informer.Informers(own, clock=clock)
        self.elector = leader.Elector(own, LEASE_NAME, identity, clock=clock, timing=timing)
        self._recorders: list[events.Recorder] = []
        self._controllers: list[framework.Controller] = []
        known = controllers(pool or podcidr.pool(), root_ca, sign, give_tokens, aggregated, check_types)
        for account, make in known:
            client = clients.as_user(ACCOUNT + account if account else USER)
            recorder = events.Recorder(client, account or LEASE_NAME, instance=identity, clock=clock)
            self._recorders.append(recorder)
            self._controllers.append(make(framework.Context(client, self.informers, recorder, clock)))

    async def run(self) -> None:
        """Follow the API and stand for election until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.informers.run(), name="controllers' informers")
            tasks.create_task(self.elector.run(self._lead), name="controllers' election")

    async def _lead(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for recorder in self._recorders:
                tasks.create_task(recorder.run(), name="recorder")
            for controller in self._controllers:
                tasks.create_task(controller.run(), name=controller.name)
