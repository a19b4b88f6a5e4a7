"""The `fairlead` command (alias `fl`): kubectl's daily verbs over the gRPC client."""

import os

# gRPC's own account of a failed connection would stand beside ours; read when gRPC starts, hence before any import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
