"""DMARC (RFC 9989): the policy of the domain in From, found by walking up the DNS tree, and whether what SPF and DKIM
have proven is aligned with it. No public suffix list.

A policy is found while SPF and DKIM are at work; what they prove is judged by it afterwards.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from routerd.auth.dns_answers import Absent, LookUp, RecordKind, Records, Trouble

MAX_LABELS_WALKED = 7  # RFC 9989 4.10: of a longer domain; with that domain itself eight questions
MAX_TAGS = 50  # of one record
MAX_JUDGED = 10  # proven domains that are walked up from

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_HAS_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]")


class Wish(StrEnum):
    """What the domain's owner asks for where its name is used without proof (RFC 9989 4.7, tag `p`)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


_ONE_BELOW = {Wish.REJECT: Wish.QUARANTINE, Wish.QUARANTINE: Wish.NONE, Wish.NONE: Wish.NONE}


class Mechanism(StrEnum):
    DKIM = "dkim"
    SPF = "spf"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain in lower-case A-labels for which a mechanism has an answer."""

    mechanism: Mechanism
    domain: str


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One policy record (RFC 9989 4.7). `p` None: what it asks for cannot be read, and nobody is to be told."""

    p: Wish | None = None
    sp: Wish | None = None
    np: Wish | None = None
    strict: frozenset[Mechanism] = frozenset()
    psd: str = "u"  # y, n or u
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """`result`: none, pass, fail, temperror, permerror (RFC 9989 9.2)."""

    result: str
    domain: str = ""  # of the author, in A-labels; "" where there is not exactly one
    wish: Wish | None = None  # what its owner asks for; only of what fails
    reason: str = ""  # for people; "" where the result says it all


def strictest(failed: Iterable[DmarcResult]) -> DmarcResult | None:
    """Of several domains' results the one whose owner asks for most."""
    by_wish = sorted(failed, key=lambda one: list(Wish).index(one.wish or Wish.NONE))
    return by_wish[-1] if by_wish else None


def parse_record(text: str) -> DmarcRecord | None:
    """None for what is no policy record. Unknown tags, and what is wrong in known ones, count for nothing."""
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for tag in text.split(";", MAX_TAGS)[1 : MAX_TAGS + 1]:
        name, equals, value = tag.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    wishes = {name: _wish(tags[name]) for name in ("p", "sp", "np") if name in tags}
    p = wishes.get("p")
    if p is None or None in wishes.values():  # RFC 9989 4.10.1
        wishes = {}
        p = Wish.NONE if _HAS_URI.search(tags.get("rua", "")) else None
    return DmarcRecord(
        p,
        wishes.get("sp"),
        wishes.get("np"),
        frozenset(one for one in Mechanism if tags.get(f"a{one}", "").lower() == "s"),
        {"y": "y", "n": "n"}.get(tags.get("psd", "").lower(), "u"),
        tags.get("t", "").lower() == "y",
    )


def _wish(value: str) -> Wish | None:
    try:
        return Wish(value.lower())
    except ValueError:
        return None


class _UntoldError(Exception):
    """DNS does not say now."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What applies to one author's domain. `record` None: nothing does."""

    author: str
    record: DmarcRecord | None = None
    at: str = ""  # the domain whose record it is
    trouble: str = ""  # why it cannot be told now


class Tree:
    """Policy records by domain, each asked for once. For one message."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._known: dict[str, DmarcRecord | None] = {}

    async def policy_for(self, author: str) -> Policy:
        """RFC 9989 4.10.1. `author`: a domain in lower-case A-labels."""
        try:
            record = await self._record(author)
            if record is not None:
                return Policy(author, record, author)
            found = await self._walk(author)
            for at in (_organization(author, found), next((at for at, one in found if one.psd == "y"), None)):
                record = dict(found).get(at) if at is not None else None
                if at is not None and record is not None:
                    return Policy(author, record, at)
        except _UntoldError as error:
            return Policy(author, trouble=str(error))
        return Policy(author)

    async def judge(self, policy: Policy, proven: Iterable[Identifier], untold: Iterable[Identifier]) -> DmarcResult:
        """RFC 9989 5.3.5. `untold`: of mechanisms that could not say now whether they prove it."""
        author, record = policy.author, policy.record
        if policy.trouble:
            return DmarcResult("temperror", author, reason=policy.trouble)
        if record is None:
            return DmarcResult("none", author)
        if record.p is None:
            return DmarcResult("permerror", author, reason=f"the policy of {policy.at} cannot be read")
        try:
            return await self._judge(policy, record, proven, untold)
        except _UntoldError as error:
            return DmarcResult("temperror", author, reason=str(error))

    async def _judge(
        self, policy: Policy, record: DmarcRecord, proven: Iterable[Identifier], untold: Iterable[Identifier]
    ) -> DmarcResult:
        if await self._any_aligned(policy.author, record, proven):
            return DmarcResult("pass", policy.author)
        if await self._any_aligned(policy.author, record, untold):
            return DmarcResult("temperror", policy.author, reason="what may prove it cannot be checked now")
        return DmarcResult("fail", policy.author, await self._wish_for(policy, record))

    async def _wish_for(self, policy: Policy, record: DmarcRecord) -> Wish:
        """Of `p`, `sp` and `np` the one that applies; a domain that tests has the next lower one (tag `t`)."""
        wish = record.p or Wish.NONE
        if policy.at != policy.author:
            wish = record.sp or wish
            if record.np not in (None, wish) and not await self._exists(policy.author):
                wish = record.np or wish
        return _ONE_BELOW[wish] if record.is_test else wish

    async def _any_aligned(self, author: str, record: DmarcRecord, identifiers: Iterable[Identifier]) -> bool:
        """RFC 9989 4.10.2: the same domain, or relaxed the same organization's."""
        relaxed: dict[str, None] = {}
        for identifier in identifiers:
            if identifier.domain == author:
                return True
            if identifier.mechanism not in record.strict and _may_share_organization(identifier.domain, author):
                relaxed[identifier.domain] = None
        if not relaxed:
            return False
        organization = await self._organization_of(author)
        for domain in list(relaxed)[:MAX_JUDGED]:
            if _is_within(domain, organization) and await self._organization_of(domain) == organization:
                return True
        return False

    async def _organization_of(self, domain: str) -> str:
        return _organization(domain, await self._walk(domain))

    async def _walk(self, domain: str) -> list[tuple[str, DmarcRecord]]:
        """What is found from the domain upwards, until a record says where to stop (RFC 9989 4.10)."""
        found: list[tuple[str, DmarcRecord]] = []
        for at in _upwards(domain):
            record = await self._record(at)
            if record is not None:
                found.append((at, record))
                if record.psd != "u":
                    break
        return found

    async def _record(self, domain: str) -> DmarcRecord | None:
        """Where several stand, none counts. Raises _UntoldError."""
        if domain in self._known:
            return self._known[domain]
        match await self._look_up(f"_dmarc.{domain}", RecordKind.TXT):
            case Records(values):
                records = [record for record in map(parse_record, values) if record is not None]
                record = records[0] if len(records) == 1 else None
            case Absent():
                record = None
            case Trouble(reason):
                raise _UntoldError(f"_dmarc.{domain}: {reason}")
        self._known[domain] = record
        return record

    async def _exists(self, domain: str) -> bool:
        """RFC 9989 3.2.13. Raises _UntoldError."""
        match await self._look_up(domain, RecordKind.A):
            case Absent(is_nxdomain):
                return not is_nxdomain
            case Trouble(reason):
                raise _UntoldError(f"{domain}: {reason}")
        return True


def _upwards(domain: str) -> Iterator[str]:
    """The domain, then its parents; of a long one only the last seven labels."""
    yield domain
    labels = domain.split(".")[1:][-MAX_LABELS_WALKED:]
    for first in range(len(labels)):
        yield ".".join(labels[first:])


def _organization(start: str, found: list[tuple[str, DmarcRecord]]) -> str:
    """RFC 9989 4.10.2, of what a walk from `start` found."""
    for at, record in found:
        if record.psd == "n":
            return at
        if record.psd == "y" and at != start:
            return ".".join(start.split(".")[-at.count(".") - 2 :])
    return found[-1][0] if found else start


def _may_share_organization(one: str, other: str) -> bool:
    return one.rpartition(".")[2] == other.rpartition(".")[2]


def _is_within(domain: str, ancestor: str) -> bool:
    return domain == ancestor or domain.endswith(f".{ancestor}")
