"""The Vagrantfile is one that Vagrant accepts, for each provider it has a block for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
# Vagrant looks at a provider's block only where the provider seems to be there
FAKE_VIRTUALBOX = "#!/bin/sh\necho 7.0.10r158379\n"


def validate(folder: Path, provider: str, vagrantfile: str) -> subprocess.CompletedProcess[str]:
    """Run `vagrant validate` with a home of its own and, for VirtualBox, a program that prints a version."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "VBoxManage").write_text(FAKE_VIRTUALBOX)
    (programs / "VBoxManage").chmod(0o755)
    project = folder / "project"
    project.mkdir()
    (project / "Vagrantfile").write_text(vagrantfile)
    environment = os.environ | {
        "VAGRANT_HOME": str(folder / "home"),
        "VAGRANT_DEFAULT_PROVIDER": provider,
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["vagrant", "validate"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_vagrant_accepts_the_file(tmp_path: Path, provider: str) -> None:
    """`vagrant validate` finds nothing wrong for either provider."""
    done = validate(tmp_path, provider, (CHECKOUT / "Vagrantfile").read_text())

    assert (done.stdout.strip(), done.returncode) == ("Vagrantfile validated successfully.", 0), done.stderr


@pytest.mark.parametrize(("provider", "variable"), [("libvirt", "libvirt"), ("virtualbox", "virtualbox")])
def test_the_validation_sees_the_providers_block(tmp_path: Path, provider: str, variable: str) -> None:
    """A setting that the provider does not know is found, so the test above means something."""
    text = (CHECKOUT / "Vagrantfile").read_text()
    broken = text.replace(f"    {variable}.memory = MEMORY", f"    {variable}.no_such_setting = MEMORY")
    assert broken != text

    assert validate(tmp_path, provider, broken).returncode != 0
