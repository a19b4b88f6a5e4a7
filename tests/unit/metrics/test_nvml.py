"""GPUs, through the real binding, on a small library that has NVML's ABI."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from node.metrics import nvml
from tests.support import driver

ROOT = pathlib.Path(__file__).parents[3]

Read = Callable[..., list[dict[str, Any]]]

_PROGRAM = """
import json, os, sys
from google.protobuf import json_format
from node.metrics import nvml
source = nvml.Nvml()
for step in json.loads(sys.argv[1]):
    os.environ.update(step)
    report = source.read()
    gpus = [json_format.MessageToDict(gpu) for gpu in report.gpus]
    print(json.dumps({"gpus": gpus, "message": report.message, "capacity": source.capacity()}))
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of a libnvidia-ml.so.1 that is compiled for this run."""
    return driver.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def read(library: pathlib.Path) -> Read:
    """Read once for each environment that is given, in a process whose loader finds the library."""

    def run(*steps: dict[str, str]) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _PROGRAM, json.dumps(steps)],
            env={**os.environ, "LD_LIBRARY_PATH": str(library)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_every_figure_of_every_gpu_is_read(read: Read) -> None:
    """Name, uuid, utilisation, memory, temperature and power come as NVML has them, power in watts."""
    (got,) = read({"FAKE_NVML_GPUS": "2"})

    assert got["message"] == ""
    assert got["capacity"] == {"nvidia.com/gpu": 2}
    assert got["gpus"][1] == {
        "index": 1,
        "name": "NVIDIA Fake 1",
        "uuid": "GPU-00000000-0000-0000-0000-000000000001",
        "utilisation": 38,
        "memoryTotal": "150754820096",
        "memoryUsed": "2147483648",
        "temperature": 42,
        "power": 123.456,
    }
    assert [gpu.get("index", 0) for gpu in got["gpus"]] == [0, 1]


def test_processes_have_names_and_memory(read: Read) -> None:
    """A process of this host is named by the host, another by the driver; unknown memory is zero."""
    (got,) = read({"FAKE_NVML_GPUS": "1", "FAKE_NVML_PID": str(os.getpid())})

    assert got["gpus"][0]["processes"] == [
        {
            "pid": os.getpid(),
            "name": pathlib.Path(f"/proc/{os.getpid()}/comm").read_text().strip(),
            "memoryUsed": "536870912",
        },
        {"pid": os.getpid() + 4000000, "name": "render"},
    ]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("utilisation", {"utilisation"}),
        ("memory", {"memoryTotal", "memoryUsed"}),
        ("temperature", {"temperature"}),
        ("power", {"power"}),
        ("processes", {"processes"}),
        ("name uuid", {"name", "uuid"}),
    ],
)
def test_unsupported_query_leaves_out_its_field_alone(read: Read, query: str, fields: set[str]) -> None:
    """A GPU that cannot tell one thing (MIG, passive cooling, old driver) still tells the others."""
    environment = {"FAKE_NVML_GPUS": "1", "FAKE_NVML_PID": "1", "FAKE_NVML_UNSUPPORTED": ""}

    whole, part = read(environment, {"FAKE_NVML_UNSUPPORTED": query})

    assert part["message"] == ""
    assert set(whole["gpus"][0]) - set(part["gpus"][0]) == fields


def test_driver_that_is_not_loaded_is_named_and_found_later(read: Read) -> None:
    """The report says why there is no GPU; once the driver is up, the next report has it."""
    down = {"FAKE_NVML_GPUS": "1", "FAKE_NVML_INIT": "9"}

    before, after = read(down, {"FAKE_NVML_INIT": "0"})

    assert (before["message"], before["gpus"], before["capacity"]) == ("Driver Not Loaded", [], {})
    assert (after["message"], len(after["gpus"])) == ("", 1)


def test_lost_gpu_does_not_hide_the_others(read: Read) -> None:
    """A GPU that fell off the bus is named; the rest is reported, and so it is once it came back."""
    lost = {"FAKE_NVML_GPUS": "3", "FAKE_NVML_LOST": "1"}

    before, after = read(lost, {"FAKE_NVML_LOST": ""})

    assert before["message"] == "GPU 1: GPU is lost"
    assert [gpu["name"] for gpu in before["gpus"]] == ["NVIDIA Fake 0", "NVIDIA Fake 2"]
    assert (after["message"], len(after["gpus"])) == ("", 3)


def test_driver_without_gpus_says_so(read: Read) -> None:
    """A machine whose GPUs were taken away has none in its capacity."""
    (got,) = read({"FAKE_NVML_GPUS": "0"})

    assert (got["message"], got["capacity"]) == (nvml.NO_GPU, {})


def test_program_prints_a_report_with_gpus(library: pathlib.Path) -> None:
    """`python -m node.metrics` prints what an agent would send."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "FAKE_NVML_GPUS": "1"}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "node.metrics", "--window", "0.1"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["gpus"][0]["name"] == "NVIDIA Fake 0"
    assert report["cpu"]["cores"] >= 1
    assert report["disks"][0]["mount"] == "/"


def test_machine_without_the_library_says_so_and_works() -> None:
    """Without a driver the report's text is NVML's own, and there is no capacity to offer."""
    source = nvml.Nvml()

    report = source.read()

    if report.gpus:
        pytest.skip("this machine has a GPU: tests/gpu looks at it")
    assert report.message
    assert source.capacity() == {}


def test_metrics_need_only_protobuf_psutil_and_nvidia_ml_py() -> None:
    """A GPU host without the rest of the project's libraries can print its report."""
    program = (
        "import sys; import node.metrics.__main__; "
        "print(sorted({'grpc', 'etcd3', 'aiohttp', 'podman', 'pyroute2', 'cryptography'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
