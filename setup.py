"""Build step that generates the Python messages from proto/; everything else stands in pyproject.toml."""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build import build

ROOT = pathlib.Path(__file__).parent.resolve()
PROTO_ROOT = ROOT / "proto"
TARGET = ROOT / "fairlead" / "api" / "pb"


class generate(Command):  # setuptools names a command by its class
    """Compile proto/fairlead/api/pb/*.proto into fairlead/api/pb: messages, type stubs, gRPC."""

    description = "generate Python messages from proto/"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        self.build_lib: str | None = None
        self.editable_mode = False

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        import grpc_tools
        from grpc_tools import protoc

        sources = sorted(PROTO_ROOT.glob("fairlead/api/pb/*.proto"))
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{PROTO_ROOT}", f"-I{well_known}"]
        arguments += [f"--{out}_out={ROOT}" for out in ("python", "pyi", "grpc_python")]
        if protoc.main(arguments + [str(source) for source in sources]) != 0:
            raise SystemExit("generating the messages failed: see protoc's message above")
        for stub in TARGET.glob("*_pb2_grpc.py"):
            if "class " not in stub.read_text():
                stub.unlink()
        digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        (TARGET / "generated.json").write_text(json.dumps({"proto_sha256": digest}) + "\n")

    def get_source_files(self) -> list[str]:
        return [str(path.relative_to(ROOT)) for path in PROTO_ROOT.glob("fairlead/api/pb/*.proto")]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class build_generated(build):
    """The ordinary build, with the messages generated before the Python files are collected."""

    sub_commands: ClassVar = [("generate", None), *build.sub_commands]


setup(cmdclass={"generate": generate, "build": build_generated})
