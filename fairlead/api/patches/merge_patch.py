"""JSON merge patch (RFC 7396)."""

from __future__ import annotations

from typing import Any

from fairlead.api.patches.errors import PatchError

Json = Any


def apply_merge_patch(target: Json, patch: Json) -> Json:
    """Return the target with the patch applied: null deletes, objects merge, all else replaces."""
    try:
        return _merged(target, patch)
    except RecursionError:
        raise PatchError("the patch is nested too deeply") from None


def _merged(target: Json, patch: Json) -> Json:
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = _merged(out.get(key), value)
    return out


def create_merge_patch(original: dict[str, Json], modified: dict[str, Json]) -> dict[str, Json]:
    """Return the patch that turns the one into the other; empty where they are equal."""
    patch: dict[str, Json] = {key: None for key in original if key not in modified}
    for key, value in modified.items():
        before = original.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = create_merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif key not in original or before != value or type(before) is not type(value):
            patch[key] = value
    return patch


def create_three_way_json_merge_patch(
    original: dict[str, Json], modified: dict[str, Json], current: dict[str, Json]
) -> dict[str, Json]:
    """Return what client-side apply sends for a custom resource.

    It deletes what the last applied configuration had and the new one lacks, and sets what the new one has
    otherwise than the live object.
    """
    deletions = _only(create_merge_patch(original, modified), nulls=True)
    changes = _only(create_merge_patch(current, modified), nulls=False)
    return _united(deletions, changes)


def _only(patch: dict[str, Json], *, nulls: bool) -> dict[str, Json]:
    """Return the deletions of a patch alone, or all but them."""
    out: dict[str, Json] = {}
    for key, value in patch.items():
        if isinstance(value, dict):
            inner = _only(value, nulls=nulls)
            if inner or not (nulls or value):
                out[key] = inner
        elif (value is None) == nulls:
            out[key] = value
    return out


def _united(left: dict[str, Json], right: dict[str, Json]) -> dict[str, Json]:
    """Return two patches as one; the right one prevails."""
    out = dict(left)
    for key, value in right.items():
        before = out.get(key)
        out[key] = _united(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return out
