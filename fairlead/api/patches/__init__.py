"""Patches: JSON merge patch, JSON patch, strategic merge patch, and the making of the first and the last.

All work on JSON-shaped data, change no argument and may share parts with them. The registry applies them, the
command line makes them.
"""

from fairlead.api.patches.errors import PatchError
from fairlead.api.patches.json_patch import apply_json_patch
from fairlead.api.patches.merge_patch import (
    apply_merge_patch,
    create_merge_patch,
    create_three_way_json_merge_patch,
)
from fairlead.api.patches.strategic import apply_strategic_merge_patch
from fairlead.api.patches.strategic_diff import create_three_way_merge_patch, create_two_way_merge_patch

__all__ = [
    "PatchError",
    "apply_json_patch",
    "apply_merge_patch",
    "apply_strategic_merge_patch",
    "create_merge_patch",
    "create_three_way_json_merge_patch",
    "create_three_way_merge_patch",
    "create_two_way_merge_patch",
]
