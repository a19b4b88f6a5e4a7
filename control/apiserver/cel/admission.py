"""What expressions of admission see: the object, the request, parameters, the namespace, variables, an authorizer.

Objects are of no known type, as in Kubernetes; the request and the namespace have Kubernetes' fields. Source:
Kubernetes' documentation, "Validating Admission Policy". Pure.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from control.apiserver.cel import authorizing, expressions, library, typed
from control.apiserver.structural.schema import Schema

Json = Any
Variables = tuple[tuple[str, str], ...]

BOOL = ("bool",)
STRING = ("string",)
STRING_OR_NULL = ("string", "null_type")
SCALARS = frozenset(("bool", "int", "double", "string", "bytes", "timestamp", "duration"))

_TEXT = Schema(type="string")
_TEXTS = Schema(type="array", items=_TEXT)
_LABELS = Schema(type="object", additional=_TEXT)
_ANYTHING = Schema(int_or_string=True)


def _object(**properties: Schema) -> Schema:
    return Schema(type="object", properties=properties)


_KIND = _object(group=_TEXT, version=_TEXT, kind=_TEXT)
_RESOURCE = _object(group=_TEXT, version=_TEXT, resource=_TEXT)
_USER = _object(username=_TEXT, uid=_TEXT, groups=_TEXTS, extra=Schema(type="object", additional=_TEXTS))
REQUEST = _object(
    kind=_KIND,
    resource=_RESOURCE,
    subResource=_TEXT,
    requestKind=_KIND,
    requestResource=_RESOURCE,
    requestSubResource=_TEXT,
    name=_TEXT,
    namespace=_TEXT,
    operation=_TEXT,
    userInfo=_USER,
    dryRun=Schema(type="boolean"),
    options=_ANYTHING,
)
_NUMBER = Schema(type="integer")
NAMESPACE = _object(
    metadata=_object(
        name=_TEXT,
        generateName=_TEXT,
        namespace=_TEXT,
        labels=_LABELS,
        annotations=_LABELS,
        UID=_TEXT,
        creationTimestamp=_TEXT,
        deletionGracePeriodSeconds=_NUMBER,
        deletionTimestamp=_TEXT,
        generation=_NUMBER,
        resourceVersion=_TEXT,
        finalizers=_TEXTS,
    ),
    spec=_object(finalizers=_TEXTS),
    status=_object(phase=_TEXT),
)


def _declared(types: typed.Types, schema: Schema) -> str:
    """Return the type of an object whose fields are named as they are, reserved words or not."""
    if not schema.properties:
        return types.of(schema, is_resource=False)
    return types.message({name: _declared(types, part) for name, part in schema.properties.items()})


def surroundings(types: typed.Types) -> dict[str, str]:
    """Return the types of what is known of every request: itself, and the namespace that it is about."""
    return {"request": _declared(types, REQUEST), "namespaceObject": _declared(types, NAMESPACE)}


@functools.lru_cache(maxsize=32)
def _checker(has_params: bool, has_authorizer: bool, variables: Variables) -> library.Checker:
    types = typed.Types()
    declared = {"object": typed.DYN, "oldObject": typed.DYN, **surroundings(types)}
    if variables:
        declared["variables"] = types.message(dict(variables))
    if has_params:
        declared["params"] = typed.DYN
    if has_authorizer:
        declared["authorizer"] = authorizing.AUTHORIZER
    return types.checker(declared)


@functools.lru_cache(maxsize=512)
def compiled(
    source: str,
    returns: Sequence[str],
    *,
    has_params: bool = False,
    has_authorizer: bool = True,
    variables: Variables = (),
) -> expressions.Expression:
    """Return a compiled expression; library.CompileError, in Kubernetes' words, where it is none or of another type.

    Without `returns` any type will do.
    """
    try:
        found = expressions.compiled(source, _checker(has_params, has_authorizer, variables))
    except library.CompileError as error:
        raise library.CompileError(f"compilation failed: {error}") from None
    if returns and found.type not in (*returns, "dyn"):
        wanted = returns[0] if len(returns) == 1 else f"one of [{' '.join(returns)}]"
        raise library.CompileError(f"must evaluate to {wanted}")
    return found


def type_of_variable(found: expressions.Expression) -> str:
    """Return what the checker knows a variable as: a scalar's type, any for another."""
    return found.type if found.type in SCALARS else typed.DYN


def namespace_object(written: Mapping[str, Json]) -> dict[str, Json]:
    """Return what expressions see of a namespace's JSON."""
    meta = dict(written.get("metadata", {}))
    meta["UID"] = meta.pop("uid", "")
    return {
        "metadata": {
            name: each for name, each in meta.items() if name in NAMESPACE.properties["metadata"].properties
        },
        "spec": written.get("spec", {}),
        "status": {"phase": written.get("status", {}).get("phase", "")},
    }
