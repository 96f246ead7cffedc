"""Which mail joins a conversation, which begins one, and what comes twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from talk import ANNA, BOB, EWA, FIRST, JAN, MALLORY, Mail, Talk, again, settings_with

REPLY = Mail(f"Anna <{ANNA}>", "2", "A", refs="1", subject="Re: parcel")
BY_JAN = Mail(f"Jan <{JAN}>", "2", "A", refs="1", subject="Re: parcel", member="jan")
ANSWER = replace(BY_JAN, rcpt="c:1:jan", part="answer", out=ANNA, to="support+c.token@example.com")
STRANGER = Mail(f"Mallory <{MALLORY}>", "2", "B", refs="1", subject="Re: parcel", suspect=True)
NOTE = replace(BY_JAN, rcpt="n:1:jan", part="note", out="", to="support+n.token@example.com")
DRAFT = replace(BY_JAN, rcpt="d:1:jan", part="draft", out="", to="support+d.token@example.com")

JOINING: dict[str, Sequence[Mail]] = {
    "a reply by References": (FIRST, REPLY),
    "a reply by In-Reply-To alone, as Outlook writes it": (FIRST, replace(REPLY, refs="", reply="1")),
    "a reply that names nothing, as Outlook loses it, begins anew": (FIRST, replace(REPLY, refs="", into="B")),
    "the same subject alone joins nothing": (FIRST, Mail(ANNA, "2", "B")),
    "a reply to what is not known": (FIRST, replace(REPLY, refs="9", into="B")),
    "References on several lines": (
        FIRST,
        replace(REPLY, refs="", more="References: <8@klient.pl>\r\n\t<9@klient.pl>\r\n <1@klient.pl>"),
    ),
    "References apart by commas": (FIRST, replace(REPLY, refs="", more="References: <1@klient.pl>,<9@klient.pl>")),
    "References without spaces": (FIRST, replace(REPLY, refs="", more="References: <1@klient.pl><9@klient.pl>")),
    "In-Reply-To with words around": (
        FIRST,
        replace(REPLY, refs="", more='In-Reply-To: Your message of "Mon" <1@klient.pl> (was: parcel)'),
    ),
    "several References fields": (
        FIRST,
        replace(REPLY, refs="", more="References: <1@klient.pl>\r\nReferences: <9@klient.pl>"),
    ),
    "only the oldest of References is known": (FIRST, replace(REPLY, refs="1 7 8 9")),
    "the newest of References is known": (FIRST, replace(REPLY, refs="7 8 1")),
    "two conversations in References: the newest": (
        FIRST,
        Mail(ANNA, "x", "B"),
        Mail(ANNA, "2", "B", refs="1 x"),
        Mail(ANNA, "3", "A", refs="x 1"),
    ),
    "In-Reply-To goes before References": (
        FIRST,
        Mail(ANNA, "x", "B"),
        Mail(ANNA, "2", "A", refs="x", reply="1"),
    ),
    "the newest fifty of References count": (
        FIRST,
        replace(REPLY, refs="1 " + " ".join(f"u{number}" for number in range(49))),
        Mail(ANNA, "3", "B", refs="1 " + " ".join(f"u{number}" for number in range(50))),
    ),
    "a Message-ID in capitals is another": (FIRST, replace(REPLY, refs="", reply="1".upper() + "X", into="B")),
    "a customer replies to an answer": (FIRST, ANSWER, replace(REPLY, id="3", refs="1 2", into="A")),
    "an answer whose Message-ID was rewritten on its way": (FIRST, ANSWER, replace(REPLY, id="3", refs="1 rewritten")),
    "a rewritten one alone is not known": (FIRST, ANSWER, replace(REPLY, id="3", refs="rewritten", into="B")),
    "another subject does not split": (FIRST, replace(REPLY, subject="Something else: invoice")),
    "no subject at all": (replace(FIRST, subject=""), replace(REPLY, subject="")),
    "who is in Cc has a part": (replace(FIRST, cc=BOB), Mail(BOB, "2", "A", refs="1")),
    "who is in To has a part": (replace(FIRST, to=f"support@example.com, {BOB}"), Mail(BOB, "2", "A", refs="1")),
    "who is in a group has a part": (replace(FIRST, cc=f"friends: {BOB}, x@y.test;"), Mail(BOB, "2", "A", refs="1")),
    "who is in Reply-To has a part": (replace(FIRST, more=f"Reply-To: {BOB}"), Mail(BOB, "2", "A", refs="1")),
    "who was brought in later has a part": (
        FIRST,
        Mail(BOB, "2", "B", refs="1", suspect=True),
        replace(REPLY, id="3", cc=BOB),
        Mail(BOB, "4", "A", refs="1 3"),
    ),
    "whom a member's answer brings in has a part": (
        FIRST,
        replace(ANSWER, cc=BOB),
        Mail(BOB, "3", "A", refs="2"),
    ),
    "an address in capitals is the same": (FIRST, replace(REPLY, author="ANNA@Klient.PL")),
    "an address in Unicode is the same": (
        Mail("anna@łódź.test", "1", "A"),
        Mail("anna@xn--d-uga0v4h.test", "2", "A", refs="1"),
    ),
    "a customer from another address of his": (FIRST, Mail("anna@dom.test", "2", "B", refs="1", suspect=True)),
    "who was only in the envelope has no part": (
        replace(FIRST, sender=BOB),
        Mail(BOB, "2", "B", refs="1", suspect=True),
    ),
    "the first of two authors counts": (
        FIRST,
        Mail(f"{MALLORY}, {ANNA}", "2", "B", refs="1", suspect=True),
    ),
    "a customer forwards the thread to us": (FIRST, replace(REPLY, subject="Fwd: parcel")),
    "a customer's automatic reply": (
        FIRST,
        replace(REPLY, more="Auto-Submitted: auto-replied", part="aside"),
    ),
    "a web form writes in the inbox's name": (
        Mail("support@example.com", "1", "A", more=f"Reply-To: {ANNA}"),
        REPLY,
        Mail("support@example.com", "3", "A", refs="1", more=f"Reply-To: {ANNA}"),
    ),
    "a reply that comes a year later": (FIRST, replace(REPLY, after=timedelta(days=365))),
    "a reply to the other inbox stays in the conversation": (FIRST, replace(REPLY, rcpt="billing")),
    "a reply to both inboxes is one": (FIRST, replace(REPLY, rcpt="billing support")),
    "a member's reply to all": (FIRST, replace(BY_JAN, cc=ANNA, part="answer", out="")),
    "a member who has no part yet": (FIRST, replace(BY_JAN, author=EWA, member="ewa", part="answer", out=ANNA)),
    "a member forwards it to another inbox": (FIRST, replace(BY_JAN, subject="Fwd: parcel", rcpt="billing")),
}

STRANGERS: dict[str, Sequence[Mail]] = {
    "stolen References": (FIRST, STRANGER),
    "a stolen In-Reply-To": (FIRST, replace(STRANGER, refs="", reply="1")),
    "the customer's name": (FIRST, replace(STRANGER, author=f"Anna <{MALLORY}>")),
    "the customer's address as a name": (FIRST, replace(STRANGER, author=f'"{ANNA}" <{MALLORY}>')),
    "a domain that looks alike": (FIRST, replace(STRANGER, author="anna@kiient.pl")),
    "a Cyrillic letter": (FIRST, replace(STRANGER, author="anna@kli\u0435nt.pl")),
    "the inbox's own address": (FIRST, replace(STRANGER, author="support@example.com")),
    "the inbox's own address and a Reply-To of his": (
        FIRST,
        replace(STRANGER, author="support@example.com", more=f"Reply-To: {MALLORY}"),
    ),
    "an address for answers as author": (FIRST, replace(STRANGER, author="support+c.token@example.com")),
    "a member's address without proof": (FIRST, replace(STRANGER, author=EWA)),
    "a customer's address in Sender": (FIRST, replace(STRANGER, more=f"Sender: {ANNA}")),
    "a customer's address as MAIL FROM": (FIRST, replace(STRANGER, sender=ANNA)),
    "a valid token for answers": (FIRST, replace(STRANGER, refs="", rcpt="c:1:jan", part="customer", out="")),
    "his own conversation goes on": (
        FIRST,
        STRANGER,
        replace(STRANGER, id="3", refs="1 2", suspect=False),
        Mail(ANNA, "4", "A", refs="1"),
    ),
    "a known Message-ID as his own: the first keeps it": (
        FIRST,
        Mail(MALLORY, "1#x", "B", body="other"),
        REPLY,
        Mail(MALLORY, "4", "C", refs="1", suspect=True),
    ),
    "whom a note names in Cc has no part": (
        FIRST,
        replace(NOTE, cc=MALLORY),
        replace(STRANGER, id="3", refs="2"),
    ),
    "a bounce of nobody we know": (
        FIRST,
        replace(STRANGER, author="MAILER-DAEMON@klient.pl", sender="", part="aside"),
    ),
}

TWICE: dict[str, Sequence[Mail]] = {
    "the same mail twice": (FIRST, again(FIRST)),
    "three times": (FIRST, again(FIRST), again(FIRST, id="1#3")),
    "the same reply twice": (FIRST, REPLY, again(REPLY)),
    "to two inboxes at once": (replace(FIRST, rcpt="support billing"),),
    "to two inboxes, one after the other": (
        replace(FIRST, to="support@example.com, billing@example.com"),
        again(FIRST, to="support@example.com, billing@example.com", rcpt="billing"),
    ),
    "the same Message-ID with other words": (FIRST, Mail(ANNA, "1#2", "B", body="Something else.")),
    "the same Message-ID with other words, as a reply": (FIRST, replace(REPLY, id="1#2", body="Something else.")),
    "after six days it is meant": (FIRST, again(FIRST, into="B", twin=False, after=timedelta(days=6))),
    "a list gives it another Message-ID": (FIRST, Mail(ANNA, "list-1", "B", more="List-Id: <all.klient.pl>")),
    "a list's copy that names it": (FIRST, Mail(ANNA, "list-1", "A", refs="1", more="List-Id: <all.klient.pl>")),
    "without a Message-ID nothing is the same": (
        Mail(ANNA, "no-id", "A"),
        Mail(ANNA, "no-id2", "B"),
    ),
    "another trace of hops is the same mail": (
        FIRST,
        again(FIRST, more="Received: from a.test by b.test; Mon, 1 Jan 2026 00:00:00 +0000"),
    ),
}

TO_THE_DESK: dict[str, Sequence[Mail]] = {
    "an answer": (FIRST, ANSWER),
    "an answer needs no References": (FIRST, replace(ANSWER, refs="")),
    "the token goes before References": (
        FIRST,
        Mail(BOB, "x", "B"),
        replace(ANSWER, refs="x"),
    ),
    "a token whose copy is forgotten: References": (FIRST, replace(ANSWER, rcpt="c:lost:jan")),
    "an answer to the inbox as well": (FIRST, replace(ANSWER, rcpt="support c:1:jan")),
    "an answer to the inbox first, in one": (FIRST, replace(ANSWER, rcpt="c:1:jan support")),
    "an answer, then to the inbox": (FIRST, ANSWER, again(ANSWER, rcpt="support", part="", out="")),
    "to the inbox, then an answer": (
        FIRST,
        replace(ANSWER, rcpt="support"),
        again(ANSWER, part="", out=""),
    ),
    "an answer twice": (FIRST, ANSWER, again(ANSWER, part="", out="")),
    "an answer by two copies' tokens": (
        replace(FIRST, rcpt="support billing"),
        ANSWER,
        again(ANSWER, rcpt="c:1:ewa", part="", out=""),
    ),
    "who stands in To gets no second one": (FIRST, replace(ANSWER, to=f"support+c.token@example.com, {ANNA}", out="")),
    "one of two stands in Cc": (
        replace(FIRST, cc=BOB),
        replace(ANSWER, cc=BOB, out=ANNA),
    ),
    "all reply to all: the inbox, +c and the customer": (
        FIRST,
        replace(ANSWER, rcpt="support c:1:jan", to=f"support+c.token@example.com, support@example.com, {ANNA}", out=""),
    ),
    "a note": (FIRST, NOTE),
    "a note to the inbox as well": (FIRST, replace(NOTE, rcpt="support n:1:jan")),
    "a note to an address for answers as well": (FIRST, replace(NOTE, rcpt="c:1:jan n:1:jan")),
    "a note, then to the inbox": (FIRST, NOTE, again(NOTE, rcpt="support", part="", out="")),
    "a note, then to an address for answers": (FIRST, NOTE, again(NOTE, rcpt="c:1:jan", part="", out="")),
    "to the inbox, then the note": (FIRST, replace(NOTE, rcpt="support"), again(NOTE, part="", out="")),
    "to an address for answers, then the note": (FIRST, replace(NOTE, rcpt="c:1:jan"), again(NOTE, part="", out="")),
    "to the inbox, then the draft": (FIRST, replace(DRAFT, rcpt="support"), again(DRAFT, part="", out="")),
    "a note twice": (FIRST, NOTE, again(NOTE, part="", out="")),
    "a note by References alone": (FIRST, replace(NOTE, rcpt="n:none")),
    "a customer writes to an address for answers": (
        FIRST,
        replace(REPLY, refs="", rcpt="c:1:jan", part="customer", out=""),
    ),
    "a machine of a member's": (
        FIRST,
        replace(ANSWER, more="Auto-Submitted: auto-generated", part="aside", out=""),
    ),
    "an out-of-office to an address for answers": (
        FIRST,
        replace(ANSWER, more="Auto-Submitted: auto-replied", part="away", out=""),
    ),
    "an out-of-office to the return path": (
        FIRST,
        replace(ANSWER, rcpt="b:1:jan", more="Auto-Submitted: auto-generated", part="away", out=""),
    ),
}
OBSERVED: dict[str, Sequence[Mail]] = {
    "a member's reply to all is the answer": (FIRST, replace(BY_JAN, cc=ANNA, part="reply", out="")),
    "a member's word to colleagues is none": (FIRST, replace(BY_JAN, cc=EWA, part="aside", out="")),
    "to the inbox, then an answer": (
        FIRST,
        replace(ANSWER, rcpt="support", part="aside", out=""),
        again(ANSWER, twin=False),
        again(ANSWER, id="2#3", part="", out=""),
    ),
    "an answer, then to the inbox": (FIRST, ANSWER, again(ANSWER, rcpt="support", part="", out="")),
    "a customer replies to what went past us": (
        FIRST,
        replace(BY_JAN, cc=f"{ANNA}, {BOB}", part="reply"),
        Mail(BOB, "3", "A", refs="2"),
    ),
}
CASES = {
    f"{group}: {name}": mails
    for group, cases in (
        ("joining", JOINING),
        ("strangers", STRANGERS),
        ("twice", TWICE),
        ("to the desk", TO_THE_DESK),
        ("observed", OBSERVED),
    )
    for name, mails in cases.items()
}


@pytest.mark.parametrize("name", CASES)
async def test_a_mail_goes_into_the_conversation_that_it_belongs_to(name: str, tmp_path: Path) -> None:
    """By what it names, and only where its author has a part in it or is a member; else it is a new one."""
    talk = Talk(tmp_path, settings_with(replies="observe" if name.startswith("observed") else "through"))
    try:
        for mail in CASES[name]:
            await talk.say(mail)
    finally:
        await talk.close()


def test_there_are_at_least_sixty_cases() -> None:
    assert len(CASES) >= 60
