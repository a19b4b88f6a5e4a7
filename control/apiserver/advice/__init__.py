"""What Kubernetes warns of without refusing it, in its words: texts with paths that strategies return. Pure."""
