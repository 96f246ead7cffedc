"""Step 3 of a message's way: who wrote it, by what DNS and the message's signatures prove.

SPF, the signatures and the author's DMARC policy are looked at side by side; DMARC judges at the end what they prove.
What DNS does not say in time is `temperror`; nothing is raised, and nothing here refuses a message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from routerd.auth.arc import ArcChain, ArcResult, read_arc, verify_arc
from routerd.auth.dkim import DkimResult, DkimSignature, dkim_key_names, read_dkim, verify_dkim
from routerd.auth.dmarc import DmarcResult, Identifier, Mechanism, Policy, Tree, strictest
from routerd.auth.dns_answers import Answer, LookUp, RecordKind, Trouble
from routerd.auth.key_look_up import look_up_keys
from routerd.auth.results import AuthResults, MethodResult, parse_results
from routerd.auth.signed_message import SignedMessage
from routerd.auth.spf import SpfIdentity, SpfResult, check_spf
from routerd.auth.verification import Compute, Verification, author_domain, author_domains
from routerd.message.envelope import Client, Envelope
from routerd.message.view import MessageView

SECONDS = 5.0  # that all questions about one message may take together
SECONDS_TO_PROVE = 4.0  # those of SPF and of signatures, so that DMARC can judge what was proven
MAX_QUESTIONS = 150  # of one method about one message
MAX_AUTHORS = 5  # domains in From whose policies are asked for

_Signatures = tuple[tuple[DkimResult, ...], ArcResult | None]

_SILENCE = Trouble("no answer in time")
_TOO_MANY = Trouble("too many questions about one message")
_NO_SIGNATURES: _Signatures = ((), None)
_NOT_PROVEN = ("fail", "temperror")
_NO_AUTHOR = "From does not name one author's domain"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came.

    `hop`: what the trusted hop that handed it over says of it; None: it came from outside. `sealers`: domains whose
    seals of ARC are believed, in lower-case A-labels.
    """

    view: MessageView
    envelope: Envelope
    client: Client
    at: datetime
    hop: AuthResults | None = None
    sealers: Collection[str] = ()


async def verify(
    mail: Incoming, look_up: LookUp, compute: Compute, tell: Callable[[str, Exception], None]
) -> Verification:
    """Never raises. `tell` hears of faults of ours, which end no more than their method."""
    ends_at = asyncio.get_running_loop().time() + SECONDS
    proves_until = ends_at - SECONDS + SECONDS_TO_PROVE
    tree = Tree(_Asking(look_up, ends_at))
    author = author_domain(mail.view)

    faulty: list[str] = []

    async def unless_faulty(method: str, found: Awaitable[T], otherwise: T) -> T:
        try:
            return await found
        except Exception as fault:
            faulty.append(method)
            tell(method, fault)
            return otherwise

    spf, (dkim, arc), policies = await asyncio.gather(
        unless_faulty("spf", _spf(mail, _Asking(look_up, proves_until)), ()),
        unless_faulty("dkim", _signatures(mail, _Asking(look_up, proves_until), compute), _NO_SIGNATURES),
        unless_faulty("dmarc", _policies(tree, author_domains(mail.view)), ()),
    )
    dmarc = None if author else DmarcResult("permerror", reason=_NO_AUTHOR)
    if policies:
        proofs = _identifiers(mail, spf, dkim)
        dmarc = await unless_faulty("dmarc", _judged(tree, policies, *proofs, is_one=bool(author)), None)
    if dmarc is not None and dmarc.result == "fail" and faulty:
        dmarc = DmarcResult("temperror", author, reason="what may prove it could not be checked")
    if dmarc is not None and not _is_told(dmarc, mail):
        dmarc = None
    voucher = _voucher(arc, author, mail.sealers) if dmarc is None or dmarc.result in _NOT_PROVEN else ""
    if dmarc is not None and voucher:
        dmarc = replace(dmarc, reason=f"passed before {voucher} sealed it")
    return Verification(
        (*_said_of_spf(spf, mail), *_said_of_dmarc(dmarc), *_said_of_arc(arc), *map(_said_of_dkim, dkim)),
        arc.result if arc is not None and not arc.is_temporary else "",
        voucher,
    )


class _Asking:
    """The look-up of one method for one message: within its time and number."""

    __slots__ = ("_left", "_look_up", "_until")

    def __init__(self, look_up: LookUp, until: float) -> None:
        self._look_up = look_up
        self._until = until
        self._left = MAX_QUESTIONS

    async def __call__(self, name: str, kind: RecordKind) -> Answer:
        if not self._left:
            return _TOO_MANY
        self._left -= 1
        try:
            async with asyncio.timeout_at(self._until):
                return await self._look_up(name, kind)
        except TimeoutError:
            return _SILENCE


async def _policies(tree: Tree, authors: Sequence[str]) -> Sequence[Policy]:
    """() where there is no author, or nobody can be meant by so many."""
    if len(authors) == 1:  # as nearly always: a task for it would take longer than a known answer
        return (await tree.policy_for(authors[0]),)
    return await asyncio.gather(*map(tree.policy_for, authors)) if len(authors) <= MAX_AUTHORS else ()


async def _judged(
    tree: Tree, policies: Iterable[Policy], proven: list[Identifier], untold: list[Identifier], *, is_one: bool
) -> DmarcResult:
    """Of one author. Several prove nothing, and none of their domains lets itself be named beside another so
    (RFC 9989 11.5)."""
    results = [await tree.judge(policy, proven, untold) for policy in policies]
    if is_one:
        return results[0]
    failed = strictest(one for one in results if one.result == "fail")
    return replace(failed or DmarcResult("permerror"), reason=_NO_AUTHOR)


async def _spf(mail: Incoming, look_up: LookUp) -> tuple[SpfResult, ...]:
    """Not of a hop of ours: the address that matters is not its own."""
    if mail.hop is not None:
        return ()
    return await check_spf(mail.client.address, mail.client.helo, mail.envelope.sender, look_up)


async def _signatures(mail: Incoming, look_up: LookUp, compute: Compute) -> _Signatures:
    headers = mail.view.headers
    if not any(headers.count(name) for name in ("dkim-signature", "arc-seal")):
        return (), ArcResult("none")
    message, signatures, chain = await compute(lambda: _read_signatures(mail))
    authors = author_domains(mail.view)
    names = (*dkim_key_names(signatures), *chain.key_names)
    keys = await look_up_keys(sorted(names, key=lambda name: not _may_prove(name, authors)), look_up)
    return await compute(lambda: (verify_dkim(message, signatures, keys), verify_arc(message, chain, keys)))


def _may_prove(key_name: str, authors: Iterable[str]) -> bool:
    """Whether a key may sign for one of them. Such are asked for first: of other names a message may bear scores."""
    signer = f".{key_name.partition('._domainkey.')[2]}"
    return any(signer.endswith(f".{author}") or f".{author}".endswith(signer) for author in authors)


def _read_signatures(mail: Incoming) -> tuple[SignedMessage, tuple[DkimSignature, ...], ArcChain]:
    message = SignedMessage(mail.view.raw, mail.view.headers)
    return message, read_dkim(message, mail.at), read_arc(message)


def _identifiers(
    mail: Incoming, spf: Iterable[SpfResult], dkim: Iterable[DkimResult]
) -> tuple[list[Identifier], list[Identifier]]:
    """The domains that are proven, and those of which it cannot be told now. DMARC asks SPF for MAIL FROM alone."""
    told: list[tuple[str, Identifier]] = [(one.result, Identifier(Mechanism.DKIM, one.domain)) for one in dkim]
    told += [(o.result, Identifier(Mechanism.SPF, o.domain)) for o in spf if o.identity is SpfIdentity.MAIL_FROM]
    if mail.hop is not None:
        told += [(one.result, Identifier(Mechanism.SPF, _mail_from_domain(one))) for one in _spf_of(mail.hop)]
    proven = [identifier for result, identifier in told if result == "pass"]
    return proven, [identifier for result, identifier in told if result == "temperror"]


def _spf_of(hop: AuthResults) -> list[MethodResult]:
    """Of its topmost field alone: what DMARC makes of it proves identities."""
    said = (one for one in hop.results if one.method == "spf" and one.property("smtp.mailfrom"))
    return [one for one in said if one not in hop.further]


def _mail_from_domain(result: MethodResult) -> str:
    return (result.property("smtp.mailfrom") or "").rpartition("@")[2].lower().rstrip(".")


def _voucher(arc: ArcResult | None, author: str, sealers: Collection[str]) -> str:
    """Who of `sealers` says that DMARC passed for this author, at a time since which only such had the message."""
    trusted = arc.first_trusted(sealers) if arc is not None and author and sealers else None
    if arc is None or trusted is None:
        return ""
    for one in arc.sets[trusted.instance - 1 :]:
        for said in parse_results(one.results)[1]:
            if said.method == "dmarc" and said.result == "pass" and said.names("header.from", author):
                return one.sealer
    return ""


def _is_told(dmarc: DmarcResult, mail: Incoming) -> bool:
    """Behind a hop that does not say what SPF proves, DKIM alone can show that a message is genuine, not that it is
    none."""
    return mail.hop is None or dmarc.result != "fail" or bool(_spf_of(mail.hop))


# What Authentication-Results says (RFC 8601 2.7.1, 2.7.2; RFC 6008; RFC 9989 9.1).


def _said_of_spf(results: Iterable[SpfResult], mail: Incoming) -> Iterator[MethodResult]:
    for spf in sorted(results, key=lambda one: one.identity is SpfIdentity.HELO):
        reason = "" if spf.result in ("pass", "none") else spf.reason
        if spf.identity is SpfIdentity.MAIL_FROM:
            yield _result("spf", spf.result, reason, ("smtp.mailfrom", mail.envelope.sender or spf.domain))
        elif mail.envelope.sender:  # otherwise it is the one above
            yield _result("spf", spf.result, reason, ("smtp.helo", spf.domain))


def _said_of_dmarc(dmarc: DmarcResult | None) -> Iterator[MethodResult]:
    if dmarc is not None:
        wish = ("policy.dmarc", dmarc.wish or "")
        yield _result("dmarc", dmarc.result, dmarc.reason, ("header.from", dmarc.domain), wish)


def _said_of_arc(arc: ArcResult | None) -> Iterator[MethodResult]:
    """RFC 8617 5.2, 10.2."""
    if arc is not None and arc.result != "none":
        oldest = ("header.oldest-pass", str(arc.oldest_pass) if arc.result == "pass" else "")
        yield _result("arc", "temperror" if arc.is_temporary else arc.result, arc.reason, oldest)


def _said_of_dkim(dkim: DkimResult) -> MethodResult:
    return _result(
        "dkim",
        dkim.result,
        dkim.reason,
        ("header.d", dkim.domain),
        ("header.i", dkim.identity if dkim.identity != f"@{dkim.domain}" else ""),
        ("header.s", dkim.selector),
        ("header.a", dkim.algorithm),
        ("header.b", dkim.signature_start),
    )


def _result(method: str, result: str, reason: str, *properties: tuple[str, str]) -> MethodResult:
    return MethodResult(method, result, tuple(one for one in properties if one[1]), reason)
