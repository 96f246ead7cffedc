"""Verification as a whole: what is said of a message, by whom, and in what time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from peers.hand_signed import ED25519, KEYS, arc_sealed, dkim_signed
from zones import TROUBLE, Zone

from routerd.auth import verify as verifying
from routerd.auth.dns_answers import Answer, RecordKind, Records
from routerd.auth.our_results import results_value
from routerd.auth.results import AuthResults, believed_results
from routerd.auth.verification import Verification, author_domain, is_to_verify
from routerd.auth.verify import MAX_AUTHORS, MAX_QUESTIONS, Incoming, verify
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, Recipient
from routerd.message.view import MessageView
from routerd.ops.dns import MAX_SOCKETS_OF_ONE

T = TypeVar("T")

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
TO = (Recipient(parse_address("support@example.com"), Purpose.INBOX, "support@example.com"),)
STRANGER = Client("192.0.2.7", 4711, "mail.klient.pl", Protocol.SMTP, "smtp")
HOP = replace(STRANGER, address="198.51.100.1", trusted=True)
MAIL = b"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: parcel\r\nDate: x\r\n\r\nHello\r\n"
RECORDS = {
    "_dmarc.klient.pl TXT": "v=DMARC1; p=reject",
    "klient.pl TXT": "v=spf1 ip4:192.0.2.0/24 -all",
    "mail.klient.pl TXT": "v=spf1 a -all",
    "mail.klient.pl A": "192.0.2.7",
}
KEYS_IN_DNS = {f"{name} TXT": answer.values for name, answer in KEYS.items() if isinstance(answer, Records)}

SEALERS = {
    **RECORDS,
    **{f"s1._domainkey.{name} TXT": KEYS_IN_DNS["s1._domainkey.klient.pl TXT"] for name in ("lista.pl", "zly.pl")},
}


async def compute(work: Callable[[], T], /) -> T:
    return work()


def unexpected(method: str, fault: Exception) -> None:
    raise AssertionError(method) from fault


async def verified(
    raw: bytes = MAIL,
    zone: Zone | None = None,
    sender: str = "anna@klient.pl",
    client: Client = STRANGER,
    hop: AuthResults | None = None,
    sealers: tuple[str, ...] = (),
) -> Verification:
    zone = zone or Zone({**RECORDS, **KEYS_IN_DNS})
    mail = Incoming(MessageView(raw), Envelope(sender, TO), client, NOW, hop, sealers)
    return await verify(mail, zone.look_up, compute, unexpected)


def said(verification: Verification) -> dict[str, str]:
    return AuthResults(verification.results, "anna@klient.pl").by_method


async def test_spf_alone_may_prove_it() -> None:
    """And what is said of it is as RFC 8601 has it."""
    found = await verified()
    assert results_value("mx1.example.com", found.results) == (
        "mx1.example.com; spf=pass smtp.mailfrom=anna@klient.pl; spf=pass smtp.helo=mail.klient.pl; "
        "dmarc=pass header.from=klient.pl"
    )


async def test_a_signature_alone_may_prove_it() -> None:
    """From wherever it comes."""
    raw = dkim_signed(MAIL)
    found = await verified(raw, client=replace(STRANGER, address="203.0.113.9"))
    assert said(found) == {"spf": "fail", "dmarc": "pass", "dkim": "pass"}
    value = results_value("mx1.example.com", found.results)
    assert "dkim=pass header.d=klient.pl header.s=s1 header.a=rsa-sha256 header.b=" in value


@pytest.mark.parametrize("raw", [MAIL, dkim_signed(MAIL).replace(b"Hello", b"Hallo"), dkim_signed(MAIL, d="zly.pl")])
async def test_what_nothing_proves_fails_and_says_what_its_owner_asks_for(raw: bytes) -> None:
    """No signature, a broken one, and one of somebody else."""
    zone = Zone({**RECORDS, **KEYS_IN_DNS, "s1._domainkey.zly.pl TXT": KEYS_IN_DNS["s1._domainkey.klient.pl TXT"]})
    found = await verified(raw, zone, "zly@zly.pl")
    assert said(found)["dmarc"] == "fail"
    assert AuthResults(found.results).dmarc_wish == "reject"


async def test_of_a_null_sender_spf_speaks_once() -> None:
    """By the client's name, which is aligned like any domain (RFC 7208 2.4)."""
    found = await verified(sender="")
    assert [(one.method, one.properties) for one in found.results] == [
        ("spf", (("smtp.mailfrom", "mail.klient.pl"),)),
        ("dmarc", (("header.from", "klient.pl"),)),
    ]
    assert said(found)["dmarc"] == "pass"


async def test_the_clients_name_proves_nothing_of_a_sender() -> None:
    """DMARC asks SPF for MAIL FROM alone (RFC 9989 4.4.2), and so do rules."""
    found = await verified(sender="bounce@zly.pl")
    assert said(found) == {"spf": "none", "dmarc": "fail"}


@pytest.mark.parametrize(
    "header",
    [
        b"From: nobody\r\n",
        b"X: y\r\n",
        b"From: " + b", ".join(b"a@d%d.pl" % number for number in range(MAX_AUTHORS)) + b", anna@klient.pl\r\n",
        b"From: a@x.pl, a@y.pl\r\n",
    ],
)
async def test_without_one_author_dmarc_cannot_say(header: bytes) -> None:
    """RFC 9989 5.3.1: also where nobody minds being named beside others."""
    found = await verified(header + b"Subject: parcel\r\n\r\nx\r\n")
    assert said(found)["dmarc"] == "permerror"


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        (b"From: anna@klient.pl, jan@zly.pl\r\n", "reject"),
        (b"From: jan@zly.pl, Anna <ANNA@Klient.pl>\r\n", "reject"),
        (b"From: jan@zly.pl\r\nFrom: anna@klient.pl\r\n", "reject"),
        (b"From: anna@klient.pl\r\nFrom: anna@klient.pl\r\n", "reject"),
        (b"From: a@lax.pl, jan@zly.pl\r\n", "none"),
        (b"From: a@lax.pl, a@klient.pl, jan@zly.pl\r\n", "reject"),
    ],
)
async def test_who_names_another_beside_himself_does_not_get_by(header: bytes, wish: str) -> None:
    """RFC 9989 11.5: which of them a reader sees nobody knows, so that each has to be proven."""
    zone = Zone({**RECORDS, "_dmarc.lax.pl TXT": "v=DMARC1; p=none", "zly.pl TXT": "v=spf1 ip4:192.0.2.0/24 -all"})
    raw = header + b"Subject: parcel\r\n\r\nx\r\n"
    results = (await verified(raw, zone, "jan@zly.pl")).results
    for found in (believed_results(MessageView(raw), trusted, ["x"], results) for trusted in (False, True)):
        assert (found.by_method["dmarc"], found.dmarc_wish) == ("fail", wish)
        assert not any(found.authenticates(address) for address in ("anna@klient.pl", "jan@zly.pl"))


async def test_several_authors_who_are_proven_are_nobody() -> None:
    """It is no pass."""
    raw = b"From: anna@klient.pl\r\nFrom: anna@klient.pl\r\n\r\nx\r\n"
    found = believed_results(MessageView(raw), False, [], (await verified(raw)).results)
    assert found.by_method["dmarc"] == "permerror"
    assert not found.authenticates("anna@klient.pl")


def test_several_authors_of_one_domain_are_one() -> None:
    """In A-labels."""
    assert author_domain(MessageView("From: anna@łódź.pl, jan@xn--d-uga0v4h.pl\r\n\r\n".encode())) == "xn--d-uga0v4h.pl"


async def test_trouble_with_dns_is_temporary_in_all() -> None:
    """It neither proves nor fails anything."""
    zone = Zone(dict.fromkeys((*RECORDS, *KEYS_IN_DNS), TROUBLE))
    assert said(await verified(dkim_signed(MAIL), zone)) == {
        "spf": "temperror",
        "dkim": "temperror",
        "dmarc": "temperror",
    }


async def test_what_could_not_be_asked_and_would_not_prove_it_does_not_matter() -> None:
    """Nobody gets around a policy with a slow server of his own."""
    zone = Zone({**RECORDS, "zly.pl TXT": TROUBLE, "s1._domainkey.zly.pl TXT": TROUBLE})
    found = await verified(dkim_signed(MAIL, d="zly.pl"), zone, "zly@zly.pl")
    assert said(found) == {"spf": "temperror", "dkim": "temperror", "dmarc": "fail"}


async def test_all_is_said_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are silent for ever, of the sender, of the signature and of the author."""
    monkeypatch.setattr(verifying, "SECONDS", 0.2)
    monkeypatch.setattr(verifying, "SECONDS_TO_PROVE", 0.1)

    async def silent(name: str, kind: RecordKind) -> Answer:
        return await asyncio.get_running_loop().create_future()

    mail = Incoming(MessageView(dkim_signed(MAIL)), Envelope("anna@klient.pl", TO), STRANGER, NOW)
    async with asyncio.timeout(60):
        found = await verify(mail, silent, compute, unexpected)
    assert said(found) == {"spf": "temperror", "dkim": "temperror", "dmarc": "temperror"}


async def test_a_policy_that_was_found_in_time_judges_what_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender's slow servers do not take the time that DMARC needs."""
    monkeypatch.setattr(verifying, "SECONDS", 1.0)
    monkeypatch.setattr(verifying, "SECONDS_TO_PROVE", 0.1)
    zone = Zone(RECORDS)

    async def slow(name: str, kind: RecordKind) -> Answer:
        if "zly.pl" in name:
            await asyncio.get_running_loop().create_future()
        return await zone.look_up(name, kind)

    mail = Incoming(MessageView(MAIL), Envelope("zly@zly.pl", TO), STRANGER, NOW)
    assert said(await verify(mail, slow, compute, unexpected)) == {"spf": "temperror", "dmarc": "fail"}


async def test_a_fault_of_ours_ends_its_method_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and nobody is taken for a forger because of it."""
    faults: list[str] = []

    async def faulty(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(verifying, "look_up_keys", faulty)
    zone = Zone({"_dmarc.klient.pl TXT": "v=DMARC1; p=reject"})
    mail = Incoming(MessageView(dkim_signed(MAIL)), Envelope("zly@zly.pl", TO), STRANGER, NOW)
    found = await verify(mail, zone.look_up, compute, lambda method, fault: faults.append(f"{method}: {fault!r}"))
    assert said(found) == {"spf": "none", "dmarc": "temperror"}
    assert faults == ["dkim: ZeroDivisionError()"]


async def test_silent_names_do_not_hide_that_a_domain_is_named_without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many signatures of others a message bears, and few of its questions are asked at once."""
    monkeypatch.setattr(verifying, "SECONDS", 1.0)
    monkeypatch.setattr(verifying, "SECONDS_TO_PROVE", 0.5)
    zone, turns = Zone(RECORDS), asyncio.Semaphore(MAX_SOCKETS_OF_ONE)

    async def look_up(name: str, kind: RecordKind) -> Answer:
        async with turns:
            if name.endswith(".silent.pl"):
                await asyncio.Event().wait()
            return await zone.look_up(name, kind)

    raw = dkim_signed(MAIL, b="AAAA")
    for number in range(8):
        raw = dkim_signed(raw, d=f"{number}.silent.pl", b="AAAA")
    mail = Incoming(MessageView(raw), Envelope("x@zly.pl", TO), STRANGER, NOW)
    found = said(await verify(mail, look_up, compute, unexpected))
    assert (found["spf"], found["dmarc"]) == ("none", "fail")


async def test_questions_about_one_message_have_an_end() -> None:
    """Of each method."""
    zone = Zone()
    ask = verifying._Asking(zone.look_up, asyncio.get_running_loop().time() + 60)
    answers = [await ask(f"a{number}.pl", RecordKind.TXT) for number in range(MAX_QUESTIONS + 1)]
    assert len(zone.asked) == MAX_QUESTIONS
    assert answers[-1] == verifying._TOO_MANY


class TestBehindAHop:
    """`verify: true` for mail that a trusted network brings."""

    @staticmethod
    def hop(said: bytes = b"") -> AuthResults:
        header = b"Authentication-Results: mx.example.com; " + said + b"\r\n" if said else b""
        return believed_results(MessageView(header + MAIL), True, ["mx.example.com"])

    async def test_its_address_is_not_the_senders(self) -> None:
        """SPF is not asked; a signature proves what it proves."""
        found = await verified(dkim_signed(MAIL), client=HOP, hop=self.hop())
        assert said(found) == {"dmarc": "pass", "dkim": "pass"}

    async def test_without_a_signature_that_holds_nothing_is_told_of_dmarc(self) -> None:
        """SPF may have proven it where it came in."""
        assert said(await verified(client=HOP, hop=self.hop())) == {}

    @pytest.mark.parametrize(
        ("spf", "dmarc"),
        [
            (b"spf=pass smtp.mailfrom=anna@klient.pl", "pass"),
            (b"spf=pass smtp.mailfrom=Klient.PL", "pass"),
            (b"spf=pass smtp.mailfrom=zly@zly.pl", "fail"),
            (b"spf=fail smtp.mailfrom=anna@klient.pl", "fail"),
            (b"spf=temperror smtp.mailfrom=anna@klient.pl", "temperror"),
            (b"spf=pass smtp.helo=klient.pl", None),
        ],
    )
    async def test_where_it_says_what_spf_proves_that_counts(self, spf: bytes, dmarc: str | None) -> None:
        """Of MAIL FROM."""
        assert said(await verified(client=HOP, hop=self.hop(spf))).get("dmarc") == dmarc

    async def test_what_a_stranger_says_that_it_found_of_spf_proves_nothing(self) -> None:
        """Below the hop's own field, which speaks of DKIM alone."""
        forged = b"none\r\nAuthentication-Results: mx.example.com; spf=pass smtp.mailfrom=anna@klient.pl"
        assert said(await verified(client=HOP, hop=self.hop(b"dkim=" + forged))) == {}


class TestSealed:
    """ARC: lists and forwarders break what proves it, and say that it was proven before."""

    async def of(self, raw: bytes, *sealers: str) -> Verification:
        return await verified(raw, Zone(SEALERS), "list@lista.pl", sealers=sealers)

    async def test_a_chain_is_told_and_not_believed(self) -> None:
        """By default."""
        found = await self.of(arc_sealed(MAIL, 1))
        assert said(found) == {"spf": "none", "dmarc": "fail", "arc": "pass"}
        assert (found.chain, found.voucher) == ("pass", "")

    async def test_a_sealer_that_is_trusted_vouches_for_what_passed_before_him(self) -> None:
        """And that is said."""
        found = await self.of(arc_sealed(MAIL, 1), "lista.pl")
        assert found.voucher == "lista.pl"
        value = results_value("mx1.example.com", found.results)
        assert 'dmarc=fail reason="passed before lista.pl sealed it" header.from=klient.pl' in value

    @pytest.mark.parametrize(
        "results",
        [
            "mx.lista.pl; dmarc=fail header.from=klient.pl",
            "mx.lista.pl; dmarc=pass header.from=zly.pl",
            "mx.lista.pl; dmarc=pass",
            "mx.lista.pl; spf=pass (dmarc=pass header.from=klient.pl)",
            "none",
        ],
    )
    async def test_only_for_this_author(self, results: str) -> None:
        """Nothing is read into what he says."""
        assert not (await self.of(arc_sealed(MAIL, 1, results=results), "lista.pl")).voucher

    async def test_not_where_somebody_else_had_it_afterwards(self) -> None:
        """His set may have been put on top of another message; whoever is trusted, too, vouches on."""
        raw = arc_sealed(arc_sealed(MAIL, 1), 2, domain="zly.pl", results="x; dmarc=fail header.from=klient.pl")
        assert not (await self.of(raw, "lista.pl")).voucher
        assert (await self.of(raw, "lista.pl", "zly.pl")).voucher == "lista.pl"

    async def test_not_where_the_chain_is_broken(self) -> None:
        """One byte."""
        found = await self.of(arc_sealed(MAIL, 1).replace(b"Hello", b"Hallo"), "lista.pl")
        assert (said(found)["arc"], found.chain, found.voucher) == ("fail", "fail", "")

    async def test_a_chain_that_cannot_be_checked_now_is_temporary(self) -> None:
        """Nobody is told that it is broken, nor seals it as such."""
        zone = Zone({**SEALERS, "s1._domainkey.lista.pl TXT": TROUBLE})
        found = await verified(arc_sealed(MAIL, 1), zone)
        assert (said(found)["arc"], found.chain) == ("temperror", "")

    async def test_who_vouches_does_not_make_anybody_a_member(self) -> None:
        """DMARC is a pass for rules; nothing is proven of the author."""
        found = await self.of(arc_sealed(MAIL, 1), "lista.pl")
        proofs = believed_results(MessageView(MAIL), False, (), found.results, vouched=bool(found.voucher))
        assert proofs.by_method["dmarc"] == "pass"
        assert not proofs.authenticates("anna@klient.pl")


@pytest.mark.parametrize(
    ("wanted", "client", "verified"),
    [
        (None, STRANGER, True),
        (None, HOP, False),
        (None, replace(STRANGER, address="127.0.0.1"), False),
        (None, replace(STRANGER, address="::1"), False),
        (None, replace(STRANGER, address=""), False),
        (None, replace(STRANGER, member="ewa"), False),
        (True, STRANGER, True),
        (True, HOP, True),
        (True, replace(STRANGER, address="127.0.0.1"), True),
        (True, replace(STRANGER, member="ewa"), False),
        (False, STRANGER, False),
    ],
)
def test_strangers_mail_is_verified_unless_the_listener_says_otherwise(
    wanted: bool | None, client: Client, verified: bool
) -> None:
    """Who logged in is known."""
    assert is_to_verify(wanted, client) is verified


async def test_signatures_of_both_kinds_are_told_one_by_one() -> None:
    """As far as the field goes, with what is most asked for first."""
    raw = dkim_signed(dkim_signed(MAIL, ED25519), d="zly.pl")
    found = await verified(raw, Zone({**RECORDS, **KEYS_IN_DNS}))
    assert [(one.method, one.result) for one in found.results if one.method == "dkim"] == [
        ("dkim", "permerror"),
        ("dkim", "pass"),
    ]
    assert found.results[2].method == "dmarc"
