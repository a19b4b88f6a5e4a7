"""Several Debian machines on one: the library behind `deploy/lab`, also used by tests/lab.

Needs only Python's standard library, because it is what installs everything else.
"""
