"""The columns of coordination and discovery kinds. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from google.protobuf.message import Message

from fairlead.api.columns import layout
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1


def _endpointslice(piece: discoveryv1.EndpointSlice, now: datetime.datetime) -> layout.Row:
    ports = [_port(port) for port in piece.ports]
    addresses = [address for endpoint in piece.endpoints for address in endpoint.addresses]
    return (
        piece.metadata.name,
        piece.addressType,
        layout.more(ports, nothing=layout.UNSET),
        layout.more(addresses, nothing=layout.UNSET),
        layout.created(piece, now),
    )


def _port(port: discoveryv1.EndpointPort) -> str:
    """Return a port's number, else its name, which by default is empty."""
    if port.HasField("port"):
        return str(port.port)
    return port.name if port.HasField("name") else "*"


def _lease(lease: coordinationv1.Lease, now: datetime.datetime) -> layout.Row:
    return lease.metadata.name, lease.spec.holderIdentity, layout.created(lease, now)


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    discoveryv1.EndpointSlice: layout.layout("Name|AddressType|Ports|Endpoints|Age", _endpointslice),
    coordinationv1.Lease: layout.layout("Name|Holder|Age", _lease),
}
