"""SPF (RFC 7208): whether a domain lets a client send in its name.

Nothing is raised: what is wrong with a record is `permerror`, trouble with the DNS `temperror`. The explanations that
a domain may give for a refusal (`exp=`) are not asked for: nothing is refused by SPF alone.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from routerd.auth.dns_answers import Absent, Answer, LookUp, RecordKind, Records, Trouble
from routerd.auth.spf_macros import MacroString, SpfSyntaxError, expand, uses
from routerd.auth.spf_record import Directive, Mechanism, SpfRecord, parse_record, spf_records
from routerd.message.a_labels import LabelError, to_a_labels

MAX_TERMS = 10  # RFC 7208 4.6.4: that ask the DNS
MAX_VOIDS = 2  # questions to which there is no answer; not those of the client's name, which it chooses
MAX_MX = 10
MAX_PTR = 10
MAX_OCTETS = 16_384  # of all records that are read; RFC 7208 3.4 advises 450 for one
MAX_SPACES = 1_500  # in them: as many as there are terms
MAX_ADDRESSES = 1_000  # that are compared
MAX_REASON = 200
_UNKNOWN_NAME = "unknown"  # RFC 7208 7.3

_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)+(?=[^.]{1,63}\Z)[0-9-]*[a-z][a-z0-9-]*")
_NOT_VISIBLE = re.compile(r"[^ -~]")


class SpfIdentity(StrEnum):
    HELO = "helo"
    MAIL_FROM = "mailfrom"


@dataclass(frozen=True, slots=True)
class SpfResult:
    result: str  # none, neutral, pass, fail, softfail, temperror, permerror (RFC 7208 2.6)
    identity: SpfIdentity
    domain: str  # whose record was looked for, in lower-case A-labels; as given where that is no domain
    reason: str  # in words; of what a stranger's record says, in visible ASCII


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: str
    reason: str


class _CheckError(Exception):
    """An error that ends the whole check."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = _Outcome(result, reason)


async def check_spf(client_address: str, helo: str, mail_from: str, look_up: LookUp) -> tuple[SpfResult, ...]:
    """Of the client's name in EHLO, then of MAIL FROM. Raises only what cancels it.

    `client_address`: an IP address. `mail_from`: without brackets; a null sender is judged by the client's name
    (RFC 7208 2.4), so that both say the same. At most 122 questions are asked for each, one after another; those about
    MAIL FROM first, as DMARC needs its answer.
    """
    if not mail_from:
        found = await _check_identity(SpfIdentity.HELO, client_address, helo, "", helo, look_up)
        return found, replace(found, identity=SpfIdentity.MAIL_FROM)
    local_part, _, domain = mail_from.rpartition("@")
    found = await _check_identity(SpfIdentity.MAIL_FROM, client_address, helo, local_part, domain, look_up)
    return await _check_identity(SpfIdentity.HELO, client_address, helo, "", helo, look_up), found


async def _check_identity(
    identity: SpfIdentity, client_address: str, helo: str, local_part: str, given: str, look_up: LookUp
) -> SpfResult:
    domain = _domain(given)
    if domain is None:
        return SpfResult("none", identity, given, "no domain")
    try:
        client = _client(client_address)
    except ValueError:
        return SpfResult("none", identity, domain, "no client address")
    check = _Check(client, helo, local_part or "postmaster", domain, look_up)
    try:
        outcome = await check.of_domain(domain) or _Outcome("none", f"{domain} has no SPF record")
    except _CheckError as error:
        outcome = error.outcome
    return SpfResult(outcome.result, identity, domain, _NOT_VISIBLE.sub("?", outcome.reason[:MAX_REASON]))


def _domain(text: str) -> str | None:
    """In lower-case A-labels; None for what is none, or has one label only (RFC 7208 4.3)."""
    text = text.lower().removesuffix(".")
    if not text.isascii():
        try:
            text = to_a_labels(text)
        except LabelError:
            return None
    return text if _DOMAIN.fullmatch(text) else None


def _client(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    ip = ipaddress.ip_address(address)
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


class _Check:
    """One evaluation of check_host() (RFC 7208 4), with what it has spent."""

    def __init__(
        self,
        client: ipaddress.IPv4Address | ipaddress.IPv6Address,
        helo: str,
        local_part: str,
        domain: str,
        look_up: LookUp,
    ) -> None:
        self._look_up = look_up
        self._client = client
        self._number = int(client)
        self._is_v4 = client.version == 4
        self._address_kind = RecordKind.A if self._is_v4 else RecordKind.AAAA
        self._terms = 0
        self._voids = 0
        self._octets = 0
        self._spaces = 0
        self._addresses = 0
        self._client_names: tuple[str, ...] | None = None  # confirmed forwards; None: not asked yet
        self._values = {
            "s": f"{local_part}@{domain}",
            "l": local_part,
            "o": domain,
            "h": helo,
            "v": "in-addr" if self._is_v4 else "ip6",
            "i": str(client) if self._is_v4 else ".".join(client.exploded.replace(":", "")),
        }

    async def of_domain(self, domain: str) -> _Outcome | None:
        """None: it has no record."""
        record = await self._record(domain)
        if record is None:
            return None
        for directive in record.directives:
            if await self._matches(directive, domain):
                return _Outcome(directive.result, f"{directive.written} of {domain}")
        if record.redirect is None:
            return _Outcome("neutral", f"nothing of {domain} matches")
        self._count_term()
        return await self._of_other(await self._name(record.redirect, domain), domain)

    async def _record(self, domain: str) -> SpfRecord | None:
        answer = await self._ask(domain, RecordKind.TXT)
        texts = spf_records(answer.values) if isinstance(answer, Records) else []
        if not texts:
            return None
        if len(texts) > 1:
            raise _CheckError("permerror", f"{domain} has {len(texts)} SPF records")
        self._octets += len(texts[0])
        self._spaces += texts[0].count(" ")
        if self._octets > MAX_OCTETS or self._spaces > MAX_SPACES:
            raise _CheckError("permerror", f"records of more than {MAX_OCTETS} octets, or {MAX_SPACES} terms")
        try:
            return parse_record(texts[0])
        except SpfSyntaxError as error:
            raise _CheckError("permerror", f"the record of {domain}: {error}") from None

    async def _matches(self, directive: Directive, domain: str) -> bool:
        match directive.mechanism:
            case Mechanism.ALL:
                return True
            case Mechanism.IP4:
                return self._is_v4 and self._number >> directive.bits_v4 == directive.network
            case Mechanism.IP6:
                return not self._is_v4 and self._number >> directive.bits_v6 == directive.network
        self._count_term()
        name = domain if directive.target is None else await self._name(directive.target, domain)
        if directive.mechanism is Mechanism.INCLUDE:
            return (await self._of_other(name, domain)).result == "pass"
        if name is None:  # RFC 7208 4.8 leaves it open; there can be no such name
            return False
        return await self._matches_name(directive, name)

    async def _of_other(self, name: str | None, domain: str) -> _Outcome:
        """Of a domain that a record names, which must have one, too (RFC 7208 5.2, 6.1)."""
        outcome = await self.of_domain(name) if name is not None else None
        if outcome is None:
            raise _CheckError("permerror", f"{domain} names {name or 'no domain'}, which has no SPF record")
        return outcome

    async def _matches_name(self, directive: Directive, name: str) -> bool:
        match directive.mechanism:
            case Mechanism.PTR:
                return any(_is_within(one, name.lower()) for one in await self._names_of_client())
            case Mechanism.EXISTS:
                return bool(self._counted(await self._ask(name, RecordKind.A)))
            case Mechanism.A:
                return self._is_among(self._counted(await self._ask(name, self._address_kind)), directive)
        exchanges = self._counted(await self._ask(name, RecordKind.MX))
        if len(exchanges) > MAX_MX:
            raise _CheckError("permerror", f"{name} has more than {MAX_MX} mail exchanges")
        for exchange in exchanges:
            host = exchange.partition(" ")[2].removesuffix(".")
            if host and self._is_among(await self._addresses_of_exchange(host), directive):
                return True
        return False

    async def _addresses_of_exchange(self, host: str) -> tuple[str, ...]:
        """A host that is not there counts as void, lest MX records have us ask after names of others.

        One that has no address of the client's kind does not: few have IPv6.
        """
        answer = await self._ask(host, self._address_kind)
        return _values(answer) if isinstance(answer, Absent) and not answer.is_nxdomain else self._counted(answer)

    def _is_among(self, addresses: tuple[str, ...], directive: Directive) -> bool:
        self._addresses += len(addresses)
        if self._addresses > MAX_ADDRESSES:
            raise _CheckError("permerror", f"more than {MAX_ADDRESSES} addresses")
        bits = directive.bits_v4 if self._is_v4 else directive.bits_v6
        network = self._number >> bits
        return any(int(ipaddress.ip_address(address)) >> bits == network for address in addresses)

    async def _names_of_client(self) -> tuple[str, ...]:
        """Those that lead back to it (RFC 7208 5.5). What the DNS does not tell is not there."""
        if self._client_names is None:
            answer = await self._look_up(self._client.reverse_pointer, RecordKind.PTR)
            names = []
            for name in _values(answer)[:MAX_PTR]:
                addresses = _values(await self._look_up(name, self._address_kind))
                if any(int(ipaddress.ip_address(address)) == self._number for address in addresses):
                    names.append(name.lower().removesuffix("."))
            self._client_names = tuple(names)
        return self._client_names

    async def _name(self, target: MacroString, domain: str) -> str | None:
        """What a domain-spec names; None: what cannot be a name."""
        self._values["d"] = domain
        if uses(target, "p"):
            self._values["p"] = await self._best_name_of_client(domain)
        return expand(target, self._values)

    async def _best_name_of_client(self, domain: str) -> str:
        """RFC 7208 7.3: the domain itself before one within it before any."""
        names = await self._names_of_client()
        if domain.lower() in names:
            return domain
        within = (name for name in names if _is_within(name, domain.lower()))
        return next(within, names[0] if names else _UNKNOWN_NAME)

    async def _ask(self, name: str, kind: RecordKind) -> Answer:
        answer = await self._look_up(name, kind)
        if isinstance(answer, Trouble):
            raise _CheckError("temperror", f"{kind} of {name}: {answer.reason}")
        return answer

    def _counted(self, answer: Answer) -> tuple[str, ...]:
        """Its values; ends the check where too often there were none."""
        if isinstance(answer, Absent):
            self._voids += 1
            if self._voids > MAX_VOIDS:
                raise _CheckError("permerror", f"more than {MAX_VOIDS} names that are not there")
        return _values(answer)

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise _CheckError("permerror", f"more than {MAX_TERMS} mechanisms that ask the DNS")


def _values(answer: Answer) -> tuple[str, ...]:
    return answer.values if isinstance(answer, Records) else ()


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")
