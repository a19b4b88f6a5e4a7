"""Which handler of this package answers which subresource."""

from __future__ import annotations

from control.apiserver import relay, server
from control.gateway.rest import handlers
from control.gateway.streams import portforward, proxy, remotecommand

UPGRADES = ("get", "create")
METHODS = ("get", "create", "update", "patch", "delete", "")


def add(table: handlers.Handlers, api: server.ApiServer, streams: relay.Relay) -> None:
    """Route streams and proxies."""
    commands = remotecommand.RemoteCommand(api, streams)
    table.add("pods", "exec", UPGRADES, commands.exec)
    table.add("pods", "attach", UPGRADES, commands.attach)
    table.add("pods", "portforward", UPGRADES, portforward.PortForward(api, streams).serve)
    proxies = proxy.Proxies(api, streams)
    table.add("pods", "proxy", METHODS, proxies.pod)
    table.add("services", "proxy", METHODS, proxies.service)
    table.add("nodes", "proxy", METHODS, proxies.node)
