"""This release's version; the package is built with it, and the API tells it."""

VERSION = "0.1.0"
