"""SPDY/3.1 without I/O: bytes in, events out, and the other way round.

Clients older than WebSocket support speak it after `Upgrade: SPDY/3.1`, newer ones inside a WebSocket. `headers.py`
has the compressed blocks, `frames.py` the frames, `connection.py` the streams. The source is SPDY Protocol Draft 3.1
of the Chromium project.
"""
