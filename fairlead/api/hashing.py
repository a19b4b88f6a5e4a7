"""Short names from content and from chance, in the letters that Kubernetes uses for both.

The letters have no vowels and no digits that look like letters, so that no word and no misreading comes out.
"""

from __future__ import annotations

import random

import orjson
from google.protobuf.message import Message

from fairlead.api import codec

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


def fnv32a(data: bytes) -> int:
    """Return the 32-bit FNV-1a hash."""
    value = _FNV_OFFSET
    for byte in data:
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Return a text with each character turned into one of the alphabet."""
    return "".join(ALPHABET[ord(character) % len(ALPHABET)] for character in text)


def hash_of(message: Message, collisions: int = 0) -> str:
    """Return a short hash of a message's content: the same on every host and in every version.

    It is taken over sorted JSON, because protobuf promises no stable bytes. `collisions` makes another hash
    of the same content.
    """
    data = orjson.dumps(codec.to_json(message), option=orjson.OPT_SORT_KEYS)
    suffix = collisions.to_bytes(8, "little") if collisions else b""
    return safe_encode(str(fnv32a(data + suffix)))


def random_suffix() -> str:
    """Return the random end of a generated name."""
    return "".join(random.choices(ALPHABET, k=SUFFIX_LENGTH))
