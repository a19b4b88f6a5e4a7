"""`deploy/examples/client.py`: what a client needs that has nothing but gRPC and the generated messages."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

from tests.support import whole

EXAMPLE = whole.ROOT / "deploy" / "examples" / "client.py"
RUN_SECONDS = 90.0


def run(cluster: whole.Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the example as a user does."""
    files = {"--ca": "ca.crt", "--cert": "admin.crt", "--key": "admin.key"}
    access = [word for option, name in files.items() for word in (option, str(cluster.pki / name))]
    return subprocess.run(
        [sys.executable, str(EXAMPLE), "--endpoint", cluster.endpoint, *access, *words],
        env={**os.environ, "PYTHONPATH": str(whole.ROOT)},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


def test_it_needs_only_grpc_and_the_generated_messages() -> None:
    """Beside the standard library; so another language's client is the same text."""
    tree = ast.parse(EXAMPLE.read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}

    foreign = {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names}

    assert foreign == {"grpc", "google.protobuf", "fairlead.api.pb"}


def test_it_deploys_watches_and_reads_metrics(cluster: whole.Cluster) -> None:
    """From the creation to three available replicas, then psutil's and NVML's figures of the nodes."""
    done = run(cluster)

    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert re.search(r"^created deployment example, resourceVersion \d+$", text, re.MULTILINE)
    assert re.search(r"^ +[0-9.]+ s: 3 of 3 replicas are available$", text, re.MULTILINE)
    assert len(re.findall(r"^  CPU     [0-9.]+ of \d+ cores, load [0-9.]+ [0-9.]+ [0-9.]+$", text, re.MULTILINE)) == 3
    assert len(re.findall(r"^  memory  [0-9.]+ of [0-9.]+ GiB in use$", text, re.MULTILINE)) == 3
    gpus = re.findall(r"^  GPU (\d)   (.+): \d+ %, [0-9.]+ of 140.4 GiB, \d+ °C, 123 W$", text, re.MULTILINE)
    assert gpus == [("0", "NVIDIA Fake 0"), ("1", "NVIDIA Fake 1")] * 3
    assert re.search(r"^  pod     example-\w+-\w+: 0.012 cores, 9.0 MiB$", text, re.MULTILINE)
    assert text.endswith("deleted deployment example\n")


def test_a_refusal_is_one_line(cluster: whole.Cluster) -> None:
    """The code of gRPC and the words of the server."""
    run(cluster, "--name", "twice", "--keep", "--replicas", "0")

    done = run(cluster, "--name", "twice")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'ALREADY_EXISTS: deployments.apps "twice" already exists\n'
