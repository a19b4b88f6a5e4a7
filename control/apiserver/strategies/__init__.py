"""One strategy per kind: its defaults, its validation, and what a write may change."""
