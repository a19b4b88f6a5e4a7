"""What the pages name as proof is there."""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
QUOTED = re.compile(r"`((?:[\w/]+/)?test_\w+(?:\.py)?)`")


def test_every_test_that_a_page_names_exists() -> None:
    """A file by its path or its name, a function by its name."""
    folders = (ROOT / "tests", ROOT / "deploy")
    files = [path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("test_*.py")]
    known = {*files, *(file.rpartition("/")[2] for file in files)}
    for file in files:
        known |= set(re.findall(r"^ *(?:async )?def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE))

    missing = {
        f"{page.name}: {name}" for page in PAGES for name in QUOTED.findall(page.read_text()) if name not in known
    }

    assert missing == set()
