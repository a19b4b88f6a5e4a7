"""Entry of `python -m labkit`, which deploy/lab runs."""

from __future__ import annotations

import sys

from labkit import cli

sys.exit(cli.main(sys.argv[1:]))
