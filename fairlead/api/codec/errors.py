"""What decoding can find wrong."""

from __future__ import annotations

from collections.abc import Sequence

MOST_STRICT_FAULTS = 100  # that strict reading tells, as sigs.k8s.io/json does


class DecodeError(ValueError):
    """Data that is no such object: one line that names the field where there is one.

    `path` is the field's (`spec.containers[0].image`), empty for the whole; `reason` says what is wrong.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def under(self, parent: str) -> DecodeError:
        """Return this error with its path continued upwards by the parent's field name."""
        self.path = join(parent, self.path)
        return self


class Mismatch(DecodeError):
    """A `value` of another type than the field's."""

    def __init__(self, wanted: str, value: object) -> None:
        super().__init__(f"expected {wanted}, got {shown(value)}")
        self.value = value


class IllegalBase64(DecodeError):
    """A text that is no base64."""

    def __init__(self, text: str) -> None:
        super().__init__(f"expected base64 data, got {shown(text)}")
        self.text = text


class ExcessiveAliasing(DecodeError):
    """A YAML text whose aliases stand for far more than it says."""

    def __init__(self) -> None:
        super().__init__("yaml: document contains excessive aliasing")


class StrictDecodeError(DecodeError):
    """Data that is understood but for fields that are unknown or stand twice; `faults` has one line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("strict decoding error: " + ", ".join(faults))
        self.faults = tuple(faults)


def join(parent: str, child: str) -> str:
    """Return the path of a child under its parent: `spec` and `replicas`, `items` and `[0].metadata`."""
    if not child or child.startswith("["):
        return parent + child
    return f"{parent}.{child}"


def mismatch(wanted: str, value: object) -> DecodeError:
    """Return `expected an integer, got "a"`; long values are cut."""
    return Mismatch(wanted, value)


def shown(value: object) -> str:
    """Return a value as a user wrote it, in one short line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:56] + '..."'
