"""The control plane: store, API server, gateway, dispatcher, scheduler, controllers."""

import os

# gRPC's fork handlers are for children that go on using gRPC; ours only execute other programs, and the handlers
# would stop gRPC's threads, and complain, at each of them. gRPC reads this when it is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
