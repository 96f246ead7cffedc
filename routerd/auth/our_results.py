"""What we verified ourselves of the client that handed a message over, and how Authentication-Results says it."""

import re
from collections.abc import Iterable

from routerd.auth.results import MethodResult
from routerd.message.envelope import Client

MAX_VALUE_CHARACTERS = 4_000
MAX_REASON_CHARACTERS = 200
MAX_PROPERTY_CHARACTERS = 320  # RFC 5321 4.5.3.1: the longest address

_TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")  # RFC 2045 5.1
_ADDRESS = re.compile(rf"(?:{_TOKEN.pattern})?@[0-9A-Za-z.-]+")
_QUOTED_SPECIALS = re.compile(r'(["\\])')
_ESCAPED = r"\\\1"


def our_results(client: Client, login: str | None) -> tuple[MethodResult, ...]:
    """One for each method that was tried; none of a hop that we trust, which says for itself what it verified.

    `login`: the mailbox of the member who logged in.
    """
    results = []
    if login is not None:  # RFC 8601 2.7.4
        results.append(MethodResult("auth", "pass", (("smtp.auth", login),)))
    if client.findings.iprev is not None:  # RFC 8601 2.7.3
        results.append(MethodResult("iprev", client.findings.iprev, (("policy.iprev", client.address),)))
    return tuple(results)


def results_value(authserv_id: str, results: Iterable[MethodResult]) -> str:
    """The value of an Authentication-Results field (RFC 8601 2.2), on one line: `mx1.example.com; iprev=pass …`.

    Of at most `MAX_VALUE_CHARACTERS`: the results that do not fit are left out, from the last.
    """
    value = authserv_id
    for result in results:
        longer = f"{value}; {_said(result)}"
        if len(longer) > MAX_VALUE_CHARACTERS:
            break
        value = longer
    return value if value != authserv_id else f"{authserv_id}; none"


def _said(result: MethodResult) -> str:
    parts = [f"{result.method}={result.result}"]
    if result.reason:
        parts.append(f'reason="{_QUOTED_SPECIALS.sub(_ESCAPED, result.reason[:MAX_REASON_CHARACTERS])}"')
    parts.extend(f"{name}={_pvalue(value[:MAX_PROPERTY_CHARACTERS])}" for name, value in result.properties)
    return " ".join(parts)


def _pvalue(value: str) -> str:
    """As a token or an address where it is one, else in quotes, as an IPv6 address must be."""
    is_plain = _TOKEN.fullmatch(value) or _ADDRESS.fullmatch(value)
    return value if is_plain else f'"{_QUOTED_SPECIALS.sub(_ESCAPED, value)}"'
