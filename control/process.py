"""A control process: every room of the control plane wired together, as root tasks that fall together.

Called by `fairlead-control run`. State lives in etcd alone: the process may be killed at any moment, and any number
of them run side by side. API and dispatcher serve in each; scheduler and controllers run where the lease is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import pathlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import grpc

from control import init, pki
from control.apiserver import advertising, authn, bearers, bootstrap, idtokens, relay, tokenfile, tokens
from control.apiserver import server as apiservers
from control.apiserver.admission import configuration, plugin, podpolicies
from control.apiserver.audit import log as auditlog
from control.apiserver.audit import policy as policies
from control.apiserver.audit import recording
from control.apiserver.custom import keeper
from control.apiserver.policies import typechecking
from control.apiserver.settings import Settings
from control.config import Config, ConfigError
from control.controllers import apiservices, manager, podcidr
from control.dispatcher import edge, leases, service, settings
from control.dispatcher import relay as relays
from control.gateway import bootstrap as joining
from control.gateway import cluster, identity, listening
from control.gateway.fairness import gate as gates
from control.gateway.rest import listening as https
from control.gateway.rest import users, wiring
from control.scheduler import scheduler as schedulers
from control.store import cache, compactor, endpoints, etcd, interface
from fairlead import garbage, supervise
from fairlead.api import errors, scheme
from fairlead.api.pb import cluster_pb2_grpc
from fairlead.client import channel, rpcerrors

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
# What can be left out of a process, in a test say: nobody then schedules, or nobody reconciles.
OPTIONAL_ROOMS = frozenset({"scheduler", "controllers"})
# Admission plugins whose demands a controller meets: accounts for pods, nodes that turn out to be ready, finalizers.
NEED_CONTROLLERS = frozenset({"ServiceAccount", "StorageObjectInUseProtection", "TaintNodesByCondition"})
DISPATCHER_USER = "system:fairlead-dispatcher"


class Peers:
    """Connections to the other control processes, one each, made when first needed."""

    def __init__(self, config: Config) -> None:
        self._pems = [(config.pki / name).read_bytes() for name in ("ca.crt", "server.crt", "server.key")]
        self._channels: dict[str, grpc.aio.Channel] = {}

    def stub(self, endpoint: str) -> Any:
        """Return a stub of `Cluster` on the connection to host:port."""
        if endpoint not in self._channels:
            timeout = channel.PEERS_TIMEOUT_MILLISECONDS
            self._channels[endpoint] = channel.connect([endpoint], *self._pems, timeout_milliseconds=timeout)
        return cluster_pb2_grpc.ClusterStub(self._channels[endpoint])

    def error(self, error: grpc.aio.AioRpcError) -> errors.ApiError:
        """Return the API's error that a call failed with."""
        return rpcerrors.from_error(error)

    async def close(self) -> None:
        """Close every connection."""
        for opened in self._channels.values():
            await opened.close(None)


async def run(config: Config) -> None:
    """Run until SIGTERM or SIGINT; raises where a root task fails."""
    stop = supervise.stop_on_signals(asyncio.get_running_loop())
    folder = config.pki / "etcd"
    tls = endpoints.Tls(folder / "ca.crt", folder / "client.crt", folder / "client.key")
    store = etcd.EtcdStore(config.etcdEndpoints, tls)
    try:
        cluster_id = await _patiently(store.cluster_id, "wait for etcd", stop)
        if cluster_id is not None:
            await serve(config, store, int(cluster_id, 16), stop, serving=lambda api: garbage.settle())
    finally:
        await store.close()


async def serve(
    config: Config,
    store: interface.Store,
    cluster_id: int,
    stop: asyncio.Event,
    *,
    rooms: Collection[str] = OPTIONAL_ROOMS,
    serving: Callable[[apiservers.ApiServer], None] = lambda api: None,
) -> None:
    """Run the rooms on a store until `stop` is set; raises where a root task fails.

    `rooms`: which of OPTIONAL_ROOMS run. `serving` is called once the ports are open.
    """
    audited, auditor = _auditing(config)
    watched = cache.Cache(store)
    issuer = tokens.Issuer((config.pki / "sa.key").read_bytes(), time.time, config.serviceAccountIssuer)
    try:
        api = apiservers.ApiServer(
            store,
            watched,
            settings=_api_settings(config, rooms),
            issuer=issuer,
            authenticators=_authenticators(config, issuer),
            auditor=auditor,
        )
    except plugin.Unknown as error:
        raise ConfigError(f"disabledAdmissionPlugins: {error}") from None
    name = f"{config.name}-{secrets.token_hex(4)}"
    holder = leases.Holder(name, f"{config.advertiseAddress}:{config.grpcPort}")
    own = api.as_user(DISPATCHER_USER)
    dispatcher = service.Dispatcher(own, api, _dispatcher_settings(config, cluster_id, holder))
    pool = podcidr.pool(config.clusterCIDR, config.nodeCIDRMaskSize)
    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    controllers = manager.Manager(
        api,
        name,
        pool=pool,
        root_ca=authority.pem.decode(),
        sign=authority.sign_request,
        give_tokens=config.apiCompat == scheme.COMPAT_1_20,
        aggregated=apiservices.Access(*_front_proxy(config), api.dialer.connector),
        check_types=typechecking.TypeChecks(api.kinds),
    )
    scheduler = schedulers.Scheduler(api.as_user(schedulers.USER), name)
    peers = Peers(config)
    api.dialer.relay = streams = relays.Relay(dispatcher, own, peers)

    equipped = asyncio.Event()

    async def begin() -> None:
        """Open the ports once the cache can answer; the root task that stays with them."""
        await watched.ready()
        made = await _patiently(lambda: bootstrap.ensure(api), "make the built-in objects", stop)
        believed = authority.pem.decode(), init.FRONT_PROXY.user
        trust = functools.partial(bootstrap.publish_authentication, api, *believed)
        await _patiently(trust, "tell whom aggregated APIs can believe", stop)
        log.info("built-in objects", extra={"outcome": made})
        equipped.set()
        async with _listening(config, api, dispatcher, streams):
            log.info("serving", extra={"address": config.advertiseAddress, "port": config.grpcPort, "as": name})
            supervise.notify_service_manager("READY=1")
            serving(api)
            await _advertiser(config, api).run()

    async def then(part: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the control plane once the roles are there by which it may do its work."""
        await equipped.wait()
        await part()

    tasks = {
        "watch cache": watched.run(),
        "compaction": compactor.Compactor(store, lambda: watched.revision).run(),
        "allocations": api.repairs.keep(),
        "definitions": keeper.Keeper(api).run(),
        "built-ins": bootstrap.keep(api),
        "dispatcher": then(dispatcher.run),
        "listeners": begin(),
    }
    optional = {"controllers": controllers.run, "scheduler": scheduler.run}
    tasks |= {name: then(part) for name, part in optional.items() if name in rooms}
    if audited is not None:
        tasks["audit log"] = audited.run()
    try:
        await supervise.supervise(tasks, stop)
    finally:
        supervise.notify_service_manager("STOPPING=1")
        await peers.close()
        await api.close()


def _advertiser(config: Config, api: apiservers.ApiServer) -> advertising.Advertiser:
    """Return what tells pods where this process' REST API is."""
    client = api.client(authn.SERVER)
    return advertising.Advertiser(api, client, config.name, (config.advertiseAddress, config.restPort))


def _front_proxy(config: Config) -> tuple[str, str]:
    """Return the files that aggregated APIs know this process by; empty where `init` has not made them yet."""
    certificate, key = (config.pki / f"{init.FRONT_PROXY.user}{ending}" for ending in (".crt", ".key"))
    return (str(certificate), str(key)) if certificate.exists() and key.exists() else ("", "")


@contextlib.asynccontextmanager
async def _listening(
    config: Config, api: apiservers.ApiServer, dispatcher: service.Dispatcher, streams: relay.Relay
) -> AsyncIterator[None]:
    """Serve Cluster and NodeAgent to holders of certificates, Cluster and Bootstrap to everyone else, and REST."""
    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    # The authority goes along, so that a joiner can compare its hash.
    chain = (config.pki / "server.crt").read_bytes() + authority.pem
    key = (config.pki / "server.key").read_bytes()
    gate = gates.Gate(api.cache, seats=config.maxRequestsInFlight)
    mutual = [
        listening.cluster(cluster.ClusterService(api, streams, identity.Identifier(), gate)),
        listening.Service("fairlead.v1.NodeAgent", lambda server: edge.add_to_server(dispatcher, server)),
    ]
    open_to_all = [
        listening.cluster(cluster.ClusterService(api, streams, identity.Identifier(api.tokens), gate)),
        listening.bootstrap(
            joining.BootstrapService(api.bootstrap_tokens, authority, lambda: config.grpc_endpoints, pki.PkiError)
        ),
    ]
    rest = wiring.gateway_of(
        api,
        streams,
        users.Identifier(api.tokens, api.authorizer, config.anonymousPaths),
        url=f"https://{config.advertiseAddress}:{config.restPort}",
        front_proxy=_front_proxy(config),
        gate=gate,
    )
    host = config.advertiseAddress
    known = listening.credentials(chain, key, authority.pem, require_client=True)
    anyone = listening.credentials(chain, key, authority.pem, require_client=False)
    first = await listening.serve(f"{host}:{config.grpcPort}", mutual, known)
    second = await listening.serve(f"{host}:{config.joinPort}", open_to_all, anyone)
    tls = https.credentials(config.pki / "server.crt", config.pki / "server.key", authority.pem.decode())
    third = await https.serve(host, config.restPort, rest, tls)
    try:
        yield
    finally:
        await asyncio.gather(first.stop(), second.stop(), third.stop())
        await rest.close()


def _auditing(config: Config) -> tuple[auditlog.Log | None, recording.Recorder | None]:
    """Return the audit log and what writes to it, where there is a policy; ConfigError for one that is wrong."""
    if not config.auditPolicyFile:
        return None, None
    try:
        policy = policies.parse(pathlib.Path(config.auditPolicyFile).read_text())
    except (OSError, policies.PolicyError) as error:
        raise ConfigError(f"auditPolicyFile: {config.auditPolicyFile}: {error}") from error
    bounds = auditlog.Bounds(
        config.auditLogMaxSizeMB * 1024 * 1024, config.auditLogMaxBackups, config.auditLogMaxAgeDays
    )
    log_ = auditlog.Log(auditlog.RotatingFile(pathlib.Path(config.auditLogPath), bounds))
    return log_, recording.Recorder(policy, log_.write)


def _authenticators(config: Config, issuer: tokens.Issuer) -> list[bearers.Authenticator]:
    """Return who judges bearer tokens beyond those of the cluster itself; ConfigError for files that are wrong."""
    found: list[bearers.Authenticator] = []
    own = (issuer.issuer,)
    try:
        if config.tokenAuthFile:
            found.append(tokenfile.StaticTokens(tokenfile.read(pathlib.Path(config.tokenAuthFile)), own))
        if config.oidcIssuerURL:
            trust = idtokens.Trust(
                config.oidcIssuerURL,
                config.oidcClientID,
                config.oidcUsernameClaim,
                config.oidcUsernamePrefix,
                config.oidcGroupsClaim,
                config.oidcGroupsPrefix,
            )
            found.append(idtokens.IdTokens(trust, idtokens.keys(pathlib.Path(config.oidcKeysFile)), own, time.time))
    except (tokenfile.TokenFileError, idtokens.KeysError) as error:
        raise ConfigError(str(error)) from error
    return found


def _api_settings(config: Config, rooms: Collection[str]) -> Settings:
    """Return what the API is told; without controllers nothing is asked of a write that only they could provide."""
    disabled = frozenset(config.disabledAdmissionPlugins)
    if "controllers" not in rooms:
        disabled |= NEED_CONTROLLERS
    ports = (config.nodePortMin, config.nodePortMax)
    path = config.admissionConfigFile
    try:
        pod_security = configuration.read(pathlib.Path(path)) if path else podpolicies.NOTHING
    except (OSError, ValueError) as error:
        raise ConfigError(f"admissionConfigFile: {path}: {error}") from error
    return Settings(config.serviceCIDR, ports, config.apiCompat, disabled, pod_security)


def _dispatcher_settings(config: Config, cluster_id: int, holder: leases.Holder) -> settings.Settings:
    return settings.Settings(
        holder=holder,
        cluster_id=cluster_id,
        heartbeat_seconds=config.heartbeatSeconds,
        grace_seconds=config.graceSeconds,
        endpoints=config.grpc_endpoints,
        cluster_cidrs=(config.clusterCIDR,),
        service_cidrs=(config.serviceCIDR,),
        cluster_domain=config.clusterDomain,
    )


async def _patiently(call: Callable[[], Awaitable[Any]], what: str, stop: asyncio.Event) -> Any:
    """Repeat a call until etcd lets it succeed; None where the process is told to stop first."""
    while not stop.is_set():
        try:
            return await call()
        except (errors.ServiceUnavailable, errors.Timeout) as error:
            log.warning("etcd does not answer", extra={"while": what, "error": error.message})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
    return None
