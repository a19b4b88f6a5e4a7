"""The `fairlead` command (alias `fl`): kubectl's daily verbs over the gRPC client."""
