"""A stand-in for NVIDIA's driver: a shared library with NVML's ABI, compiled when it is needed."""

from __future__ import annotations

import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).parent / "nvml.c"
COMPILE_SECONDS = 60.0


def build(folder: pathlib.Path) -> pathlib.Path:
    """Compile libnvidia-ml.so.1 into a folder, for LD_LIBRARY_PATH; FAKE_NVML_GPUS then says how many GPUs it has."""
    command = ["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"]
    target = folder / "libnvidia-ml.so.1"
    subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True, timeout=COMPILE_SECONDS)
    return folder
