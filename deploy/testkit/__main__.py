"""Entry of `python -m testkit`, which deploy/test runs."""

from __future__ import annotations

import sys

from testkit import runner

sys.exit(runner.main(sys.argv[1:]))
