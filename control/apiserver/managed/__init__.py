"""managedFields: who owns which fields of an object, kept as Kubernetes keeps it, and server-side apply.

`tracker` records writes, `applying` carries out server-side apply; both are called by the registry and are pure but
for what they remember. `content` is what they see of an object, `entries` the list in its metadata, `conflicts` the
refusals, `managers` the names of those who write.
"""
