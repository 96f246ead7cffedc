"""What an inbox does with mail that fails DMARC, whoever found that out."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from routerd.auth.results import MethodResult
from routerd.auth.verification import Verification
from routerd.config.settings import Settings
from routerd.desk.assign import held_by
from routerd.desk.consider import Office, decide, facts_of, identity_of, proofs_of
from routerd.desk.dmarc_policy import unless_told
from routerd.desk.refusal import refusals
from routerd.desk.roster import Roster
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.decision import Decision

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
INBOXES = {f"{policy}@example.com": {"default": "jan", "dmarc": policy} for policy in ("report", "hold", "reject")}
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "authserv_ids": ["mx.example.com"],
        "members": {"jan": {"mailbox": "jan@mail.example.com"}},
        "inboxes": INBOXES,
        "delivery": [{"domain": "*", "maildir": "/var/mail/{local}"}],
        "limits_of_rules": [{"files": "*", "actions": ["all"]}],
    }
)
STRANGER = Client("192.0.2.1", 1, "c", Protocol.SMTP, "l")
MAIL = MessageView(b"From: anna@klient.pl\r\n\r\nx\r\n")


def dmarc(result: str = "fail", wish: str = "reject", domain: str = "klient.pl") -> Verification:
    return Verification((MethodResult("dmarc", result, (("header.from", domain), ("policy.dmarc", wish))),))


def decided(
    policy: str,
    found: Verification,
    rule: str = "label: x",
    view: MessageView = MAIL,
    purpose: Purpose = Purpose.INBOX,
    client: Client = STRANGER,
) -> Decision:
    inbox = f"{policy}@example.com"
    rules = f"rules:\n  - {{name: all, when: {{always: true}}, then: {{{rule}}}}}\n"
    ruleset = compile_ruleset({"10.yaml": rules.encode()}, SETTINGS).ruleset
    assert ruleset is not None
    office = Office(SETTINGS, Roster(SETTINGS), ruleset)
    envelope = Envelope("a@b.c", (Recipient(parse_address(inbox), purpose, inbox),))
    proofs = proofs_of(view, client, office, found)
    [decision] = decide(facts_of(view, envelope, client, NOW, office, proofs), envelope, office)
    return decision


@pytest.mark.parametrize(
    ("policy", "wish", "held", "rejected"),
    [
        ("report", "reject", False, False),
        ("hold", "none", False, False),
        ("hold", "", False, False),
        ("hold", "quarantine", True, False),
        ("hold", "reject", True, False),
        ("reject", "none", False, False),
        ("reject", "", False, False),
        ("reject", "quarantine", True, False),
        ("reject", "reject", False, True),
    ],
)
def test_no_inbox_goes_further_than_the_domains_owner(policy: str, wish: str, held: bool, rejected: bool) -> None:
    """Whatever happens to it, it is labelled."""
    decision = decided(policy, dmarc(wish=wish))
    assert decision.labels == ("x", "dmarc-fail")
    assert (decision.hold is not None, decision.reject is not None) == (held, rejected)


@pytest.mark.parametrize("result", ["pass", "none", "temperror", "permerror"])
def test_only_a_fail_is_one(result: str) -> None:
    """What could not be told refuses nobody, whatever is said of a policy."""
    decision = decided("reject", dmarc(result))
    assert (decision.labels, decision.hold, decision.reject) == (("x",), None, None)


def test_what_is_refused_says_why_and_is_counted_for_it() -> None:
    """To whoever can be told; in a known conversation, or through another's queue, it is held instead."""
    decision = decided("reject", dmarc())
    received = Received(QueueId("01J"), Envelope("a@b.c", ()), STRANGER, b"", NOW)
    [refused] = refusals(received, (decision,), is_known=False).values()
    assert (refused.code, refused.status, refused.reason) == (550, "5.7.1", "dmarc")
    assert "DMARC policy of klient.pl" in refused.text
    assert refusals(received, (decision,), is_known=True) == {}
    hop = replace(received, client=replace(STRANGER, trusted=True))
    assert refusals(hop, (decision,), is_known=False) == {}
    assert "DMARC policy of klient.pl" in (held_by(decision) or "")


def test_what_a_rule_has_decided_stays() -> None:
    """Its own reason is told; it is refused where both want something."""
    assert decided("hold", dmarc(), "hold: look first").hold == "look first"
    assert decided("hold", dmarc(), "reject: no thanks").reject == "no thanks"
    assert decided("reject", dmarc(), "reject: no thanks").reject_reason == "rule"
    assert "DMARC" in (decided("reject", dmarc(), "hold: look first").reject or "")


@pytest.mark.parametrize("purpose", [Purpose.POSTMASTER, Purpose.RETURN_PATH])
def test_the_postmaster_hears_of_everything(purpose: Purpose) -> None:
    """His mail is labelled."""
    decision = decided("reject", dmarc(), purpose=purpose)
    assert (decision.labels[-1], decision.hold, decision.reject) == ("dmarc-fail", None, None)


def test_a_hop_that_is_believed_may_say_that_it_fails() -> None:
    """And, where it says so in `policy.dmarc`, what the owner asks for."""
    hop = replace(STRANGER, trusted=True)
    field = b"Authentication-Results: mx.example.com; dmarc=fail header.from=klient.pl"
    mail = MessageView(field + b"\r\nFrom: anna@klient.pl\r\n\r\nx\r\n")
    assert decided("hold", Verification(), view=mail, client=hop).hold is None
    mail = MessageView(field + b" policy.dmarc=reject\r\nFrom: anna@klient.pl\r\n\r\nx\r\n")
    assert decided("hold", Verification(), view=mail, client=hop).hold is not None
    assert decided("hold", Verification(), view=mail).labels == ("x",)


def test_who_vouches_lifts_label_and_policy() -> None:
    """ARC: rules see that DMARC passed before it was handed on."""
    lifted = replace(dmarc(), voucher="lista.pl")
    assert decided("reject", lifted).labels == ("x",)
    assert decided("reject", lifted).reject is None


def test_what_proves_it_tells_one_message_from_another() -> None:
    """A forged copy that comes first does not make the genuine one its double."""
    office = Office(SETTINGS, Roster(SETTINGS), compile_ruleset({}, SETTINGS).ruleset)  # type: ignore[arg-type]
    envelope = Envelope("a@b.c", ())
    found = [dmarc(), dmarc("pass"), dmarc(wish="none"), dmarc("temperror"), Verification()]
    known = {identity_of(MAIL, envelope, STRANGER, proofs_of(MAIL, STRANGER, office, one)) for one in found}
    assert len(known) == len(found)


@pytest.mark.parametrize("result", ["temperror", "permerror"])
def test_who_keeps_us_from_finding_out_is_told_to_come_again(result: str) -> None:
    """Where a fail would count. What the DNS itself does not tell now keeps nobody's mail out."""
    office = Office(SETTINGS, Roster(SETTINGS), compile_ruleset({}, SETTINGS).ruleset)  # type: ignore[arg-type]
    found = dmarc(result)
    kept = replace(found, went_without=True)
    for policy, purpose, verification, code in (
        ("hold", Purpose.INBOX, kept, 451),
        ("reject", Purpose.INBOX, kept, 451),
        ("report", Purpose.INBOX, kept, None),
        ("reject", Purpose.RETURN_PATH, kept, None),
        ("reject", Purpose.INBOX, found, None),
        ("reject", Purpose.INBOX, replace(kept, voucher="lista.pl"), None),
        ("reject", Purpose.INBOX, replace(dmarc("fail"), went_without=True), None),
    ):
        inbox = f"{policy}@example.com"
        envelope = Envelope("a@b.c", (Recipient(parse_address(inbox), purpose, inbox),))
        proofs = proofs_of(MAIL, STRANGER, office, verification)
        barred = unless_told(verification, proofs, envelope, office.roster)
        assert (barred.code if barred else None) == code, (policy, purpose)
