"""The agent made of its real parts: Podman, the kernel's network and packet filter, psutil and NVML."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging

from fairlead import clock as clocks
from fairlead.api.pb import agent_pb2
from node.agent import agent as agents
from node.agent import conditions, interface, machine, manager, register
from node.agent import config as configs
from node.metrics import collector, nvml
from node.network import interface as network
from node.network import netlink
from node.proxy import iptables, model, sync
from node.runtime import interface as runtime
from node.runtime.podman import runtime as podman

log = logging.getLogger(__name__)

GPU_SECONDS = 3.0
RUNTIME_SECONDS = 2.0
RUNTIME_RETRY_SECONDS = 2.0


async def assemble(agent: agents.Agent, config: configs.Config) -> None:
    """Look at the machine, attach its parts, and close them when cancelled; pods and rules stay."""
    clock = clocks.SystemClock()
    agent.health.left = lambda: machine.left(config.rootDir)
    containers = podman.PodmanRuntime(config.podmanSocket)
    pods_network = netlink.NetlinkNetwork(network.NetworkConfig(node_addresses=(config.address,)))
    named = interface.NodeInfo(
        config.nodeName,
        (config.address,),
        config.rootDir,
        allowed_sysctls=tuple(config.allowedUnsafeSysctls),
        lowest_oom_score=machine.lowest_oom_score(),
    )
    pods = manager.PodManager(containers, pods_network, named, agent.reports, clock=clock)
    rules = _proxy(config, agent, clock)
    meter = collector.Collector(config.nodeName, clock)
    try:
        agent.attach(pods, rules, meter, on_welcome=lambda welcome: rules.configure(_proxy_config(config, welcome)))
        facts = machine.gather(config, gpus=await _gpus())
        while not (version := await _version(containers)):
            if agent.health.failing(conditions.RUNTIME):
                agent.is_machine(register.node(config, facts))
            await asyncio.sleep(RUNTIME_RETRY_SECONDS)
        agent.is_machine(register.node(config, dataclasses.replace(facts, runtime=version)))
        await asyncio.Event().wait()
    finally:
        await containers.close()
        await pods_network.close()


def _proxy(config: configs.Config, agent: agents.Agent, clock: clocks.Clock) -> sync.Proxy:
    def fault(message: str) -> None:
        agent.health.fault(interface.Fault(conditions.PROXY, message))

    family = ipaddress.ip_address(config.address).version
    return sync.Proxy(
        model.Config(config.nodeName, node_addresses=(config.address,), family=family),
        iptables.Iptables(family=family),
        clock,
        on_fault=fault,
        on_recovered=lambda: fault(""),
    )


def _proxy_config(config: configs.Config, welcome: agent_pb2.Welcome) -> model.Config:
    """Return what the rules depend on, with the pods' addresses of the proxy's own family."""
    family = ipaddress.ip_address(config.address).version
    cidrs = [cidr for cidr in welcome.cluster_cidrs if ipaddress.ip_network(cidr).version == family]
    return model.Config(
        config.nodeName,
        cluster_cidr=cidrs[0] if cidrs else None,
        node_addresses=(config.address,),
        zone=config.labels.get(model.ZONE_LABEL, ""),
        family=family,
    )


async def _version(containers: runtime.Runtime) -> str:
    """Return `podman://<version>`; "" while it does not answer, which is the pod machinery's to report."""
    try:
        async with asyncio.timeout(RUNTIME_SECONDS):
            return f"{containers.scheme}://{await containers.version()}"
    except (TimeoutError, runtime.RuntimeFault):
        return ""


async def _gpus() -> int:
    """Return how many GPUs the driver shows; 0 where it does not answer."""
    driver = nvml.Nvml()
    try:
        async with asyncio.timeout(GPU_SECONDS):
            report = await asyncio.to_thread(driver.read)
    except TimeoutError:
        return 0
    await asyncio.to_thread(driver.close)
    return len(report.gpus)
