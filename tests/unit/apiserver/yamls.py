"""Objects as YAML, so that tests read like manifests."""

from __future__ import annotations

import textwrap
from typing import TypeVar

import yaml
from google.protobuf.message import Message

from fairlead.api import codec

M = TypeVar("M", bound=Message)


def read(text: str, kind: type[M]) -> M:
    """Return the message of a manifest without apiVersion and kind."""
    return codec.from_json(yaml.safe_load(textwrap.dedent(text)), kind)


def parsed(message: Message) -> object:
    """Return a message as parsed YAML."""
    return yaml.safe_load(codec.to_yaml(message))


def loaded(text: str) -> object:
    """Return YAML, parsed."""
    return yaml.safe_load(textwrap.dedent(text))
