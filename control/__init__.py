"""The control plane: store, API server, gateway, dispatcher, scheduler, controllers."""
