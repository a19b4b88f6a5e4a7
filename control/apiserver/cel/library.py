"""The library behind the language: Google's C++ implementation, `cel-expr-python`, imported with the first use.

A `Checker` judges an expression against declared types and returns what it made of it; a `Program` runs on plain JSON
values. Programs are compiled without types, because the library resolves functions by the values that they meet.
`Error`s are worded as Kubernetes' own library (cel-go) words them. Pure.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)
from google.protobuf.message import DecodeError

from control.apiserver.cel import authorizing, functions, lists, network, opaque, quantities, texts, trees
from fairlead.api.pb import celast_pb2

FUNCTIONS = (
    *lists.FUNCTIONS,
    *texts.FUNCTIONS,
    *network.FUNCTIONS,
    *quantities.FUNCTIONS,
    *authorizing.FUNCTIONS,
)


_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = ("bool", "bytes", "double", "duration", "int", "list", "map", "null", "string", "timestamp", "uint")
_WELL_KNOWN = (timestamp_pb2, duration_pb2, struct_pb2)
_COMPARISONS = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
_NUMBERS = ("int", "uint", "double")
_STATUS = re.compile(r"\A[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?\Z", re.DOTALL)
_TEXTS = (
    (re.compile(r"""Key not found in map : (["']?)(.*)\1\Z""", re.DOTALL), r"no such key: \2"),
    (re.compile(r"No matching overloads found.*", re.DOTALL), "no such overload"),
    (re.compile(r"Applying SELECT to non-message type"), "no such overload"),
    (re.compile(r"Index error: index=(-?\d+).*"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r'No value with name "(.*)" found in Activation'), r"no such attribute(s): \1"),
    (re.compile(r"Iteration budget exceeded"), "operation cancelled: actual cost limit exceeded"),
)
_DOTTED = re.compile(r"(undeclared reference to '[^'.]+)\.[^']*'")
_STRUCT = re.compile(r"(undefined field '[^']*') not found in struct '[^']*'")


class Error(Exception):
    """An expression that cannot be compiled, or whose evaluation failed."""


class CompileError(Error):
    """An expression that is none, or whose types do not fit."""


class TooCostly(Error):
    """An evaluation that would take, or took, more than one may."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker says of an expression: the name of its type, its syntax tree with the types of its parts."""

    type: str
    tree: celast_pb2.CheckedExpr


@functools.cache
def _cel() -> Any:
    from cel_expr_python import cel

    return cel


@functools.cache
def _optional() -> Any:
    from cel_expr_python.ext import ext_optional

    return ext_optional.ExtOptional()


def base_pool() -> descriptor_pool.DescriptorPool:
    """Return a new pool with the types that every environment has."""
    pool = descriptor_pool.DescriptorPool()
    for module in _WELL_KNOWN:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        pool.Add(file)
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for each in opaque.TYPES.values():
        package, _, name = each.full_name.rpartition(".")
        file = files.setdefault(package, descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package))
        message = file.message_type.add(name=name)
        message.field.add(name="value", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
        if each.kinds == (authorizing.Authorizer,):
            checked = f".{opaque.TYPES['resourcecheck'].full_name}"
            part = message.field.add(name=opaque.REQUEST_RESOURCE, number=2, label=_FIELD.LABEL_OPTIONAL)
            part.type, part.type_name = _FIELD.TYPE_MESSAGE, checked
    for file in files.values():
        pool.Add(file)
    return pool


def type_of(name: str) -> Any:
    """Return the library's type for a name: `int`, `list(string)`, `map`, an opaque type's, or a message's."""
    types = _cel().Type
    if name.startswith("list("):
        return types.List(type_of(name[5:-1]))
    if name.startswith("map("):
        return types.Map(types.STRING, type_of(name[4:-1]))
    if name in opaque.TYPES:
        return types(opaque.TYPES[name].full_name)
    return getattr(types, name.upper(), None) or types(name)


@functools.cache
def _comparisons() -> Any:
    """Return the configuration that leaves out comparisons, which are declared anew across numbers."""
    listed = "".join(f'    - name: "{name}"\n' for name in _COMPARISONS)
    return _cel().NewEnvConfigFromYaml(f"name: checked\nstdlib:\n  exclude_functions:\n{listed}")


@functools.cache
def _declared() -> Sequence[Any]:
    """Return all functions' declarations, typed, for the checker."""
    cel = _cel()
    found = [
        cel.FunctionDecl(
            each.name,
            [
                cel.Overload(
                    f"{each.name}_{index}",
                    return_type=type_of(overload.result),
                    parameters=[type_of(name) for name in overload.parameters],
                    is_member=overload.is_member,
                )
                for index, overload in enumerate(each.overloads)
            ],
        )
        for each in FUNCTIONS
    ]
    pairs = [(one, other) for one in _NUMBERS for other in _NUMBERS]
    pairs += [(name, name) for name in ("bool", "string", "bytes", "timestamp", "duration")]
    for name, word in _COMPARISONS.items():
        overloads = [
            cel.Overload(
                f"{word}_{one}_{other}", return_type=type_of("bool"), parameters=[type_of(one), type_of(other)]
            )
            for one, other in pairs
        ]
        found.append(cel.FunctionDecl(name, overloads))
    return found


class Checker:
    """Judges expressions over variables of declared types; `pool` holds the messages that these name."""

    def __init__(self, variables: Mapping[str, str], pool: descriptor_pool.DescriptorPool | None = None) -> None:
        self._environment = _cel().NewEnv(
            descriptor_pool=pool or base_pool(),
            config=_comparisons(),
            variables={name: type_of(each) for name, each in variables.items()},
            extensions=[_optional()],
            functions=_declared(),
        )

    def check(self, source: str) -> Checked:
        """Return what is known of an expression; CompileError where it does not fit, or is none."""
        try:
            expression = self._environment.compile(source)
            kind = expression.return_type().name().lower()
        except RuntimeError as error:
            text = _STRUCT.sub(r"\1", _STATUS.sub(r"\1", str(error)))
            raise CompileError(_DOTTED.sub(r"\1'", text)) from None
        packed = any_pb2.Any.FromString(expression.serialize())
        try:
            tree = celast_pb2.CheckedExpr.FromString(packed.value)
        except DecodeError:
            raise CompileError("the expression is nested too deeply") from None
        if trees.misplaces_optional(tree):
            raise CompileError("optional values as elements of lists or maps, or of unknown type, are not supported")
        return Checked(kind, tree)


class _Runtime:
    """The environment that evaluates: without types, with every function's implementation."""

    def __init__(self) -> None:
        cel = _cel()
        pool = base_pool()
        self._messages = {
            each.full_name: message_factory.GetMessageClass(pool.FindMessageTypeByName(each.full_name))
            for each in opaque.TYPES.values()
        }
        declared = [cel.FunctionDecl(each.name, list(self._overloads(each, cel))) for each in FUNCTIONS]
        self.environment = cel.NewEnv(descriptor_pool=pool, extensions=[_optional()], functions=declared)

    def _overloads(self, function: functions.Function, cel: Any) -> Iterable[Any]:
        """Iterate over the overloads that the evaluator can tell apart: by the kinds of values alone."""
        seen: set[tuple[bool, tuple[str, ...]]] = set()
        for overload in function.overloads:
            bare = tuple(name.partition("(")[0] for name in overload.parameters)
            choices = _KINDS if "dyn" in bare else ("",)
            for choice in choices:
                kinds = tuple(choice if name == "dyn" else name for name in bare)
                told_apart = (overload.is_member, tuple("" if name in opaque.TYPES else name for name in kinds))
                if told_apart in seen:
                    continue
                seen.add(told_apart)
                yield cel.Overload(
                    f"{function.name}_{len(seen)}",
                    return_type=type_of("dyn"),
                    parameters=[type_of(name) for name in kinds],
                    is_member=overload.is_member,
                    impl=self._adapted(function.call),
                )

    def _adapted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def adapted(*arguments: Any) -> Any:
            return self._given(call(*(_taken(each) for each in arguments)))

        return adapted

    def _given(self, value: Any) -> Any:
        """Return a function's result as the library takes it."""
        for each in opaque.TYPES.values():
            if isinstance(value, each.kinds):
                return self.message(each, value)
        return given(value)

    def message(self, kind: opaque.Opaque, value: Any) -> Any:
        """Return the message of an opaque value."""
        return self._messages[kind.full_name](value=kind.write(value))


def authorizer(check: authorizing.ResourceCheck) -> Any:
    """Return an authorizer for the variables of an evaluation; `check` is about what the request itself asks for."""
    made = _runtime().message(opaque.TYPES[authorizing.AUTHORIZER], authorizing.Authorizer())
    getattr(made, opaque.REQUEST_RESOURCE).value = check.write()
    return made


def given(value: Any) -> Any:
    """Return a point in time or a span of it as the library takes it; anything else as it is."""
    if isinstance(value, datetime.datetime):
        stamp = timestamp_pb2.Timestamp()
        stamp.FromDatetime(value)
        return stamp
    if isinstance(value, datetime.timedelta):
        span = duration_pb2.Duration()
        span.FromTimedelta(value)
        return span
    return value


def returned(value: Any) -> Any:
    """Return the value of an evaluation as a variable of the next."""
    if isinstance(value, dict):
        return {key: returned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [returned(each) for each in value]
    return bytes(value) if isinstance(value, bytearray) else given(value)


def _taken(value: Any) -> Any:
    """Return an argument as functions want it."""
    descriptor = getattr(value, "DESCRIPTOR", None)
    if descriptor is None:
        return value
    for each in opaque.TYPES.values():
        if descriptor.full_name == each.full_name:
            return each.read(value.value)
    return value


@functools.cache
def _runtime() -> _Runtime:
    return _Runtime()


class Activation:
    """Values of variables: JSON, with timestamps and durations as protobuf's messages."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.bound = _runtime().environment.Activation(dict(values))


class Program:
    """An expression that can be evaluated any number of times."""

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            self._expression = _runtime().environment.compile(source, disable_check=True)
        except RuntimeError as error:
            raise CompileError(_STATUS.sub(r"\1", str(error))) from None

    def evaluate(self, activation: Activation) -> Any:
        """Return the value of the expression; Error where there is none."""
        try:
            found = self._expression.eval(activation.bound)
            value = _plain(found)
        except (TypeError, SystemError):
            return None  # an optional, which has no plain value
        except (RuntimeError, ValueError, OverflowError) as error:
            raise _evaluation_error(str(error)) from None
        if found.type() == _cel().Type.ERROR:
            raise _evaluation_error(str(value))
        return value


def _plain(found: Any) -> Any:
    """Return a value in Python: null without asking the library, which each time would take a reference from None."""
    kind = found.type()
    if kind == _cel().Type.NULL:
        return None
    name = kind.name()
    if name.startswith("LIST"):
        return [_plain(each) for each in found.value()]
    if name.startswith("MAP"):
        return {key: _plain(each) for key, each in found.value().items()}
    return found.value()


def _evaluation_error(text: str) -> Error:
    """Return the error that Kubernetes' library would have given."""
    told = _STATUS.sub(r"\1", text)
    for pattern, wanted in _TEXTS:
        match = pattern.search(told)
        if match is not None:
            told = match.expand(wanted)
            break
    return (TooCostly if told.startswith("operation cancelled") else Error)(told)
