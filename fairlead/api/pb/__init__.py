"""Messages generated from proto/. Importing a stale tree fails with the command that mends it."""

from __future__ import annotations

import hashlib
import json
import pathlib

_HERE = pathlib.Path(__file__).parent
_SOURCES = _HERE.parents[2] / "proto" / "fairlead" / "api" / "pb"
_MEND = "run `pip install -e .` (or `python setup.py generate`) in the checkout"


def _check_generated() -> None:
    """Refuse messages that were not made from the .proto files beside this checkout."""
    marker = _HERE / "generated.json"
    if not marker.exists():
        raise ImportError(f"fairlead.api.pb: the messages have not been generated: {_MEND}")
    if not _SOURCES.is_dir():
        return  # an installed package has no sources to differ from
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCES.glob("*.proto"))))
    if json.loads(marker.read_text())["proto_sha256"] != digest.hexdigest():
        raise ImportError(f"fairlead.api.pb: the generated messages are older than proto/: {_MEND}")


_check_generated()
