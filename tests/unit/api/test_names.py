"""Rules for names: what Kubernetes allows, and its words where it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairlead.api import names

LABEL_FAULT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_FAULT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_VALUE_FAULT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (names.dns_label, "a"),
        (names.dns_label, "0-a"),
        (names.dns_label, "x" * 63),
        (names.dns_subdomain, "a.b-c.0"),
        (names.dns_subdomain, "x" * 253),
        (names.dns_1035_label, "web-1"),
        (names.wildcard_subdomain, "*.example.com"),
        (names.qualified_name, "app"),
        (names.qualified_name, "app.kubernetes.io/Name_1.x"),
        (names.label_value, ""),
        (names.label_value, "A.b_c-0"),
        (names.port_name, "http-8080"),
        (names.env_var, "MY_ENV"),
        (names.env_var, "1 strange!"),
        (names.config_key, "a.b_C-1"),
        (names.header_name, "X-Ok"),
        (names.percent, "25%"),
        (names.path_segment, "system:node"),
    ],
)
def test_good_names_have_no_fault(rule: Callable[[str], list[str]], value: str) -> None:
    """The longest and the oddest that is allowed."""
    assert rule(value) == []


@pytest.mark.parametrize(
    ("rule", "value", "want"),
    [
        (names.dns_label, "A", [LABEL_FAULT]),
        (names.dns_label, "a\n", [LABEL_FAULT]),
        (names.dns_label, "x" * 64, ["must be no more than 63 characters"]),
        (names.dns_subdomain, "a..b", [SUBDOMAIN_FAULT]),
        (names.dns_subdomain, "-" * 254, ["must be no more than 253 characters", SUBDOMAIN_FAULT]),
        (names.label_value, "-a", [LABEL_VALUE_FAULT]),
        (names.qualified_name, "/a", ["prefix part must be non-empty"]),
        (names.env_var, "", ["environment variable name must be non-empty"]),
        (names.config_key, "..a", ["must not start with '..'"]),
        (names.config_key, "..", ["must not be '..'"]),
        (
            names.port_name,
            "-UPPER--",
            [
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "must contain at least one letter (a-z)",
                "must not contain consecutive hyphens",
                "must not begin or end with a hyphen",
            ],
        ),
        (names.path_segment, "a/b%", ["may not contain '/'", "may not contain '%'"]),
        (names.path_segment, "..", ["may not be '..'"]),
    ],
)
def test_bad_names_are_refused_in_kubernetes_words(
    rule: Callable[[str], list[str]], value: str, want: list[str]
) -> None:
    """Users search for these messages."""
    assert rule(value) == want


@pytest.mark.parametrize(
    ("rule", "value", "part"),
    [
        (names.dns_1035_label, "1a", "a DNS-1035 label must consist of"),
        (names.wildcard_subdomain, "example.com", "a wildcard DNS-1123 subdomain must start with '*.'"),
        (names.qualified_name, "a/b/c", "a qualified name must consist of"),
        (names.qualified_name, "", "name part must be non-empty"),
        (names.qualified_name, "A_B/c", "prefix part a lowercase RFC 1123 subdomain"),
        (names.env_var, "A=B", "printable ASCII characters other than '='"),
        (names.config_key, "a b", "a valid config key must consist of"),
        (names.header_name, "a b", "a valid HTTP header must consist of"),
        (names.percent, "25", "a valid percent string must be"),
    ],
)
def test_each_rule_says_what_it_wants(rule: Callable[[str], list[str]], value: str, part: str) -> None:
    """The first fault names the rule."""
    assert part in rule(value)[0]


def test_environment_variables_can_be_judged_strictly() -> None:
    """Images' own variables follow the older rule."""
    assert names.env_var("1A", relaxed=False) != []
    assert names.env_var("A.b-C_1", relaxed=False) == []


def test_ports_lie_in_16_bits() -> None:
    """Zero is no port."""
    assert names.port_number(65535) == []
    assert names.port_number(0) == ["must be between 1 and 65535, inclusive"]


def test_the_base_of_a_generated_name_may_end_in_a_hyphen() -> None:
    """What is appended makes it a name."""
    assert names.dns_subdomain(names.generated_base("web-")) == []
