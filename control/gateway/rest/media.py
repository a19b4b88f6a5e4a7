"""Content negotiation: what a caller accepts, and what it sends, by Kubernetes' media types. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fairlead import memo
from fairlead.api import errors
from fairlead.client.interface import PatchType

Format = Literal["json", "yaml", "protobuf"]

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
DISCOVERY_GROUP = "apidiscovery.k8s.io"
META_GROUP = "meta.k8s.io"

TABLE = "Table"
PARTIAL = "PartialObjectMetadata"
PARTIAL_LIST = "PartialObjectMetadataList"
DISCOVERY_LIST = "APIGroupDiscoveryList"

_FORMATS: dict[str, Format] = {JSON: "json", YAML: "yaml", PROTOBUF: "protobuf"}
_TYPES = {format_: media_type for media_type, format_ in _FORMATS.items()}
_ANY = ("*/*", "application/*", "*")
_VERSIONS = {META_GROUP: ("v1", "v1beta1"), DISCOVERY_GROUP: ("v2", "v2beta1")}
_KINDS = {META_GROUP: (TABLE, PARTIAL, PARTIAL_LIST), DISCOVERY_GROUP: (DISCOVERY_LIST,)}


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is written: in which format and, if the caller wants it converted, as which kind."""

    format: Format = "json"
    kind: str = ""
    group: str = ""
    version: str = ""

    @property
    def content_type(self) -> str:
        """Return the media type that the answer is labelled with."""
        return _TYPES[self.format]

    @property
    def api_version(self) -> str:
        """Return the version of the kind that the answer is converted to."""
        return f"{self.group}/{self.version}"


PLAIN = Form()


@memo.remembered(512, longest=1024)
def clauses(accept: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """Return an Accept header's media types with their parameters, those that are liked best first."""
    found = []
    for clause in accept.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media_type:
            found.append((media_type.lower(), {key.strip().lower(): value for key, value in parameters.items()}))
    return tuple(sorted(found, key=lambda one: -_quality(one[1].get("q", "1"))))


def accepted(accept: str, group: str = META_GROUP, *, messages: bool = True, tables: bool = True) -> Form:
    """Return the form that an Accept header asks for; errors.NotAcceptable where none that it names is served.

    `group` is that of the kinds that the answer may be converted to; without `messages` the objects have no form in
    protobuf (custom resources), without `tables` none as a table (what is only posted).
    """
    if not accept:
        return PLAIN
    for media_type, parameters in clauses(accept):
        format_ = "json" if media_type in _ANY else _FORMATS.get(media_type)
        if format_ is None or (format_ == "protobuf" and not messages):
            continue
        form = _form(format_, parameters, group)
        if form is not None and (tables or form.kind != TABLE):
            return form
    served = ", ".join((JSON, YAML, PROTOBUF) if messages else (JSON, YAML))
    raise errors.NotAcceptable(f"only the following media types are accepted: {served}")


def streamed(accept: str, *, messages: bool = True, tables: bool = True) -> Form:
    """Return the form of a watch: YAML has none."""
    usable = ",".join(clause for clause in accept.split(",") if not clause.strip().startswith(YAML))
    if accept and not usable:
        served = f"{JSON}, {PROTOBUF}" if messages else JSON
        raise errors.NotAcceptable(f"only the following media types are accepted: {served}")
    return accepted(usable, messages=messages, tables=tables)


def _form(format_: Format, parameters: dict[str, str], group: str) -> Form | None:
    kind = parameters.get("as", "")
    if not kind:
        return Form(format_)
    asked, version = parameters.get("g", ""), parameters.get("v", "")
    if asked != group or kind not in _KINDS.get(group, ()) or version not in _VERSIONS[group]:
        return None
    if kind == TABLE and format_ == "protobuf":
        return None  # a table has no form in protobuf
    return Form(format_, kind, asked, version)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def body_format(content_type: str) -> Format:
    """Return the format of a request's body; errors.UnsupportedMediaType for one that is not read."""
    media_type = content_type.partition(";")[0].strip().lower()
    found = _FORMATS.get(media_type) if media_type else "json"
    if found is None:
        raise _unsupported(tuple(_FORMATS))
    return found


def patch_type(content_type: str) -> PatchType:
    """Return the type of a patch by its media type."""
    media_type = content_type.partition(";")[0].strip().lower()
    for kind in PatchType:
        if kind.value == media_type:
            return kind
    raise _unsupported([kind.value for kind in PatchType])


def _unsupported(served: tuple[str, ...] | list[str]) -> errors.UnsupportedMediaType:
    text = "the body of the request was in an unknown format - accepted media types include: "
    return errors.UnsupportedMediaType(text + ", ".join(served))
