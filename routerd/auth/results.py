"""Authentication-Results (RFC 8601 2.2): what a hop that we trust has verified, read and never guessed.

Believed is only what a trusted client hands over, under an authserv-id that the postmaster listed; that hop removes
what others claim in its name (RFC 8601 5). What does not parse says nothing.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from routerd.message.headers import HeaderBlock
from routerd.message.light import light

MAX_FIELDS = 50
MAX_FIELD_BYTES = 65_536
MAX_RESULTS = 100  # of one field

_LEXEME = re.compile(r'[^()"\\]++|\\.?|[()"]', re.DOTALL)
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_SPACES = re.compile(rf"({_QUOTED}?)|[ \t\r\n]+", re.DOTALL)  # a quote that is not closed goes to the end: linear
_LINE_ENDS = re.compile(r"[\r\n]+")
_SEGMENT = re.compile(rf"(?:[^;\"]|{_QUOTED}|(?!))*+(;|\Z)")
_KEYWORD = r"[A-Za-z0-9_-]++"
_ID = re.compile(rf' ?({_QUOTED}|[^\s;"=/]++)(?: (?:[0-9]++))? ?\Z')
_METHOD = re.compile(rf" ?({_KEYWORD}) ?(?:/ ?[0-9]++ ?)?= ?({_KEYWORD})(?= |\Z)")
_PROPERTY = re.compile(
    rf' (?:(reason)|({_KEYWORD}) ?\. ?({_KEYWORD})) ?= ?({_QUOTED}(?:@[^\s;"]++)?|[^\s;"]++)(?= |\Z)',
    re.IGNORECASE,
)
_NEXT_WORD = re.compile(rf' ?(?:[^ "]|{_QUOTED}|(?!))*+')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


@light
@dataclass(frozen=True, slots=True)
class MethodResult:
    """`dkim=pass header.d=klient.pl`. Method, result and property names are in lower case, values as written."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    def property(self, name: str) -> str | None:
        """The first value of `ptype.property`, such as `header.from`."""
        return next((value for key, value in self.properties if key == name), None)

    def names(self, name: str, domain: str) -> bool:
        """Whether that property is this domain, in lower case."""
        return _is(self.property(name), domain)


class _Mailbox(Protocol):
    @property
    def address(self) -> str: ...


class _View(Protocol):
    """What is needed of a message's view."""

    @property
    def headers(self) -> HeaderBlock: ...

    @property
    def author(self) -> _Mailbox | None: ...

    def addresses(self, name: str) -> Sequence[_Mailbox]: ...


@light
@dataclass(frozen=True, slots=True)
class AuthResults:
    """All that is believed about one message. `vouched`: a forwarder that is believed says that DMARC passed there.

    `further`: of `results`, those that stand below a hop's topmost field, and below its Received. They prove nobody's
    identity: a hop that does not remove what strangers say in its name (RFC 8601 5) leaves it there.
    """

    results: tuple[MethodResult, ...] = ()
    author: str | None = None  # the address in From, lower case; None where there is not exactly one From field
    vouched: bool = False
    further: tuple[MethodResult, ...] = ()
    domains: frozenset[str] = frozenset()  # of all addresses in From; not where there are no results

    def result(self, method: str) -> str | None:
        """`pass` where any result of the method is (one of several DKIM signatures), else its first; or None.

        SPF is asked of MAIL FROM; what it says of HELO counts only where it says nothing else.
        """
        found = [one for one in self.results if one.method == method]
        if method == "spf":
            found = [one for one in found if one.property("smtp.helo") is None] or found
        return "pass" if any(one.result == "pass" for one in found) else next((one.result for one in found), None)

    @property
    def by_method(self) -> dict[str, str]:
        """`result` of each method that there is, as far as it speaks of who the message says it is from.

        DMARC speaks of one author's domain (RFC 9989 5.3.1): of a message with several it says that it cannot tell, or
        that one of them is named without proof.
        """
        if not self.results:  # as of most mail that no hop has verified for us
            return {"dmarc": "pass"} if self.vouched else {}
        methods = {method: self.result(method) or "" for method in dict.fromkeys(one.method for one in self.results)}
        if not self._is_of_author("dmarc") and not self._fails_for_one(methods.get("dmarc")):
            methods.pop("dmarc", None)
        if self.vouched:
            methods["dmarc"] = "pass"
        return methods

    @property
    def dmarc_wish(self) -> str:
        """What the owner of the author's domain asks for, where `by_method` says that DMARC fails; "" unknown."""
        return next((one.property("policy.dmarc") or "" for one in self.results if one.method == "dmarc"), "")

    def _is_of_author(self, method: str) -> bool:
        """Whether there is one author, and every result of the method that names a domain of From names his."""
        domain = self.author.rpartition("@")[2] if self.author else ""
        named = (result.property("header.from") for result in self.results if result.method == method)
        return bool(domain) and all(one is None or _is(one, domain) for one in named)

    def _fails_for_one(self, dmarc: str | None) -> bool:
        """Of several authors; or it cannot tell for them."""
        named = (one.property("header.from") or "" for one in self.results if one.method == "dmarc")
        return dmarc == "permerror" or (dmarc == "fail" and not self.domains.isdisjoint(named))

    @property
    def logins(self) -> frozenset[str]:
        """Under which addresses, in lower case, its author has logged in."""
        proven = (one for one in self.results if one.method == "auth" and one.result == "pass")
        names = (one.property("smtp.auth") for one in proven if one not in self.further)
        return frozenset(name.lower() for name in names if name)

    def authenticates(self, address: str) -> bool:
        """Whether the message is proven to come from `address`.

        By a login under that very address, or by DMARC for its domain where it is the author.
        """
        address = address.lower()
        domain = address.rpartition("@")[2]
        if not domain or "@" not in address:
            return False
        for result in self.results:
            if result.result != "pass" or result in self.further:
                continue
            if result.method == "auth" and _is(result.property("smtp.auth"), address):
                return True
            if result.method == "dmarc" and self.author == address and _is(result.property("header.from"), domain):
                return True
        return False


def believed_results(
    view: _View,
    trusted: bool,
    authserv_ids: Collection[str],
    ours: tuple[MethodResult, ...] = (),
    *,
    vouched: bool = False,
) -> AuthResults:
    """What we verified ourselves (`ours`), and of other methods what the trusted hops say. Never raises.

    Where several fields speak of one method, the topmost counts: a hop writes above what it was handed.
    """
    author = view.author
    only_from = author.address.lower() if author is not None and view.headers.count("from") == 1 else None
    if not trusted or not authserv_ids:
        if not ours:
            return AuthResults(ours, only_from, vouched)
        return AuthResults(ours, only_from, vouched, domains=_domains_in_from(view))
    ids = {id_.lower() for id_ in authserv_ids}
    # Nobody but the last hop writes above its Received.
    above = next((field.start for field in view.headers.named("received")), 0)
    heard: set[str] = set()
    believed = list(ours)
    further: list[MethodResult] = []
    for field in view.headers.named("authentication-results")[:MAX_FIELDS]:
        authserv_id, results = parse_results(view.headers.raw_value(field))
        if authserv_id in ids:
            known = {result.method for result in believed}
            added = [result for result in results if result.method not in known]
            believed += added
            further += added if authserv_id in heard and field.start > above else []
            heard.add(authserv_id)
    return AuthResults(tuple(believed), only_from, vouched, tuple(further), _domains_in_from(view))


def _domains_in_from(view: _View) -> frozenset[str]:
    return frozenset([mailbox.address.rpartition("@")[2].lower() for mailbox in view.addresses("from")])


def parse_results(value: bytes) -> tuple[str | None, tuple[MethodResult, ...]]:
    """The authserv-id, in lower case, and the results of one unfolded field value. Never raises; linear.

    Without a valid authserv-id (RFC 8601 2.5) there is nothing to believe: `(None, ())`. A result that does not parse
    is left out; so is what follows an unclosed comment or quoted string.
    """
    if len(value) > MAX_FIELD_BYTES:
        return None, ()
    segments = _segments(_without_comments(value.decode("utf-8", "replace")))
    found = _ID.match(next(segments, ""))
    if not found:
        return None, ()
    results = [result for result in map(_parse_result, segments) if result is not None]
    return _unquoted(found[1]).lower(), tuple(results)


def _without_comments(text: str) -> str:
    """Comments (RFC 5322 3.2.2, nested) and white space as single spaces; cut where one is not closed.

    Or where one ends, or another begins, in what looks like quotes within it: hops write senders' addresses there, such
    as "x); dmarc=pass ("@evil.example.
    """
    kept: list[str] = []
    depth = 0
    quoted = False
    quotes = 0  # in this comment
    for lexeme in _LEXEME.findall(text):
        if depth:
            quotes += lexeme == '"'
            if quotes % 2 and lexeme in ("(", ")"):
                break
            depth += (lexeme == "(") - (lexeme == ")")
        elif lexeme == "(" and not quoted:
            depth, quotes = 1, 0
            kept.append(" ")
        else:
            quoted ^= lexeme == '"'
            kept.append(lexeme)
    return _SPACES.sub(_one_space, "".join(kept))


def _one_space(found: re.Match[str]) -> str:
    """Of what stands in quotes only the folds go (RFC 5322 3.2.4)."""
    return _LINE_ENDS.sub("", found[1]) if found[1] else " "


def _segments(text: str) -> Iterator[str]:
    """What stands between the `;` outside of quotes, the authserv-id first."""
    at = 0
    for _ in range(MAX_RESULTS + 1):
        found = _SEGMENT.match(text, at)
        if not found:  # a quote that is not closed
            return
        yield text[at : found.start(1)]
        at = found.end()
        if not found[1]:
            return


def _parse_result(segment: str) -> MethodResult | None:
    found = _METHOD.match(segment)
    if not found:
        return None
    properties: list[tuple[str, str]] = []
    reason = ""
    at = found.end()
    while at < len(segment):
        part = _PROPERTY.match(segment, at)
        if not part:
            # Some write words of their own, such as Exchange's `action=none`.
            part = _NEXT_WORD.match(segment, at)
            if not part or part.end() == at:
                break
        elif part[1]:
            reason = _unquoted(part[4])
        else:
            properties.append((f"{part[2]}.{part[3]}".lower(), _unquoted(part[4])))
        at = part.end()
    return MethodResult(found[1].lower(), found[2].lower(), tuple(properties), reason)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    inside, _, behind = text[1:].rpartition('"')
    return _QUOTED_PAIR.sub(r"\1", inside) + behind


def _is(value: str | None, other: str) -> bool:
    return value is not None and value.lower().rstrip(".") == other
