"""What holds for every suite: properties are tried without a stopwatch, on the same examples in every usual run.

Where FUZZ_TIMES is more than 1, as in `deploy/test --full`, examples are drawn anew.
"""

from __future__ import annotations

import os

import hypothesis

_USUAL = int(os.environ.get("FUZZ_TIMES", "1")) == 1

hypothesis.settings.register_profile(
    "fairlead",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=_USUAL,
    database=None,
)
hypothesis.settings.load_profile("fairlead")
