"""Rules for names and label values, worded as Kubernetes words them.

Each function returns what is wrong with a value, nothing where it is right; the registry turns the lines into
causes of `Invalid`. Source: Kubernetes' documentation, "Object Names and IDs" and "Labels and Selectors".
"""

from __future__ import annotations

import re

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
PORT_NAME_MAX = 15
ANNOTATIONS_MAX_BYTES = 256 * 1024
EMPTY = "must be non-empty"

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_ENV = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
_ENV_RELAXED = r"[ -<>-~]+"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_HEADER = r"[-A-Za-z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_PERCENT = r"[0-9]+%"

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character"
)
_QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character"
)
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
    "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_ENV_TEXT = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and "
    "must not start with a digit"
)
_ENV_RELAXED_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_HEADER_TEXT = "a valid HTTP header must consist of alphanumeric characters or '-'"
_PERCENT_TEXT = "a valid percent string must be a numeric string followed by an ending '%'"


def max_length(length: int) -> str:
    """Return `must be no more than 63 characters`."""
    return f"must be no more than {length} characters"


def pattern(text: str, expression: str, *examples: str) -> str:
    """Return a rule with examples and the expression that is used for it."""
    if not examples:
        return f"{text} (regex used for validation is '{expression}')"
    listed = " or ".join(f"'{example}'" for example in examples).replace(" or ", ",  or ")
    return f"{text} (e.g. {listed}, regex used for validation is '{expression}')"


def dns_label(value: str) -> list[str]:
    """Judge a DNS-1123 label: names of namespaces, containers, volumes."""
    if "." in value and not dns_subdomain(value):
        return [*([max_length(LABEL_MAX)] if len(value) > LABEL_MAX else []), "must not contain dots"]
    return _judged(value, _LABEL, LABEL_MAX, _LABEL_TEXT, "my-name", "123-abc")


def dns_subdomain(value: str) -> list[str]:
    """Judge a DNS-1123 subdomain: the names of most objects."""
    return _judged(value, _SUBDOMAIN, SUBDOMAIN_MAX, _SUBDOMAIN_TEXT, "example.com")


def dns_1035_label(value: str) -> list[str]:
    """Judge a DNS-1035 label: the names of Services."""
    return _judged(value, _LABEL_1035, LABEL_MAX, _LABEL_1035_TEXT, "my-name", "abc-123")


def wildcard_subdomain(value: str) -> list[str]:
    """Judge `*.example.com`."""
    return _judged(value, _WILDCARD, SUBDOMAIN_MAX, _WILDCARD_TEXT, "*.example.com")


def env_var(value: str, *, relaxed: bool = True) -> list[str]:
    """Judge the name of an environment variable; relaxed, any printable ASCII but `=` may stand in it."""
    if relaxed:
        if not value:
            return [f"environment variable name {EMPTY}"]
        return [] if re.fullmatch(_ENV_RELAXED, value) else [_ENV_RELAXED_TEXT]
    faults = []
    if not re.fullmatch(_ENV, value, re.ASCII):
        faults.append(pattern(_ENV_TEXT, _ENV, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return faults + _reserved(value)


def config_key(value: str) -> list[str]:
    """Judge a key of a ConfigMap or a Secret."""
    faults = [max_length(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not re.fullmatch(_CONFIG_KEY, value, re.ASCII):
        faults.append(pattern(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return faults + _reserved(value)


def _reserved(value: str) -> list[str]:
    if value == ".":
        return ["must not be '.'"]
    if value == "..":
        return ["must not be '..'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def qualified_name(value: str) -> list[str]:
    """Judge `name` or `example.com/name`: keys of labels and annotations, names of resources and finalizers."""
    faults: list[str] = []
    parts = value.split("/")
    if len(parts) > 2:
        text = pattern(_QUALIFIED_TEXT, _QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"a qualified name {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            faults.append(f"prefix part {EMPTY}")
        else:
            faults += [f"prefix part {fault}" for fault in dns_subdomain(parts[0])]
    if not name:
        faults.append(f"name part {EMPTY}")
    elif len(name) > LABEL_MAX:
        faults.append(f"name part {max_length(LABEL_MAX)}")
    if not re.fullmatch(_QUALIFIED, name, re.ASCII):
        faults.append(f"name part {pattern(_QUALIFIED_TEXT, _QUALIFIED, 'MyName', 'my.name', '123-abc')}")
    return faults


def label_value(value: str) -> list[str]:
    """Judge the value of a label; it may be empty."""
    return _judged(value, _LABEL_VALUE, LABEL_MAX, _LABEL_VALUE_TEXT, "MyValue", "my_value", "12345")


def port_name(value: str) -> list[str]:
    """Judge an IANA service name: the names of container ports."""
    faults = []
    if len(value) > PORT_NAME_MAX:
        faults.append(max_length(PORT_NAME_MAX))
    if not re.fullmatch(r"[-a-z0-9]+", value, re.ASCII):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        faults.append("must contain at least one letter (a-z)")
    if "--" in value:
        faults.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def port_number(value: int) -> list[str]:
    """Judge a port."""
    return [] if 1 <= value <= 65535 else [in_range(1, 65535)]


def in_range(low: int, high: int) -> str:
    """Return `must be between 1 and 65535, inclusive`."""
    return f"must be between {low} and {high}, inclusive"


def header_name(value: str) -> list[str]:
    """Judge the name of an HTTP header."""
    return [] if re.fullmatch(_HEADER, value, re.ASCII) else [pattern(_HEADER_TEXT, _HEADER, "X-Header-Name")]


def http_path(value: str) -> list[str]:
    """Judge the characters of a path in a URL."""
    return [] if re.fullmatch(_HTTP_PATH, value, re.ASCII) else [pattern("Invalid path", _HTTP_PATH)]


def percent(value: str) -> list[str]:
    """Judge `25%`."""
    return [] if re.fullmatch(_PERCENT, value, re.ASCII) else [pattern(_PERCENT_TEXT, _PERCENT, "1%", "93%")]


def generated_base(prefix: str) -> str:
    """Return the part of generateName that is judged as if it were a name: a trailing hyphen is allowed."""
    return prefix[:-1] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def path_segment(value: str) -> list[str]:
    """Judge a name that must only fit into a path: names of RBAC objects."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def _judged(value: str, expression: str, longest: int, text: str, *examples: str) -> list[str]:
    faults = [max_length(longest)] if len(value) > longest else []
    if not re.fullmatch(expression, value, re.ASCII):
        faults.append(pattern(text, expression, *examples))
    return faults
