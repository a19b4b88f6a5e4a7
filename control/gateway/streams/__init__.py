"""Streams of the REST API: exec, attach, port-forward, logs and the proxy subresources.

The gateway's routes call `remotecommand`, `portforward`, `logs` and `proxy`; each authorises its caller, asks the API
server's `Relay`, and speaks WebSocket or SPDY/3.1 with the caller.
"""
