"""What a copy bears on top, what is cut, and that all else stays."""

import mmap
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.address import parse_address
from routerd.message.annotate import annotate, attach_original, received_value
from routerd.message.annotation import Annotation
from routerd.message.envelope import (
    Client,
    ClientFindings,
    Envelope,
    Protocol,
    Purpose,
    QueueId,
    Received,
    Recipient,
)

PLAIN = Annotation(
    queue_id="01JAAAAAAAAAAAAAAAAAAAAAAA",
    inbox="support@example.com",
    assigned_to="ewa@example.com",
    assigned_name="Ewa Nowak",
)
FULL = replace(
    PLAIN,
    labels=("complaint", "urgent"),
    rules=("20-finance.yaml/invoices", "20-finance.yaml/complaints-are-urgent"),
    why='complaints-are-urgent: subject has "skargę" (stem skarga); owner by finance/round_robin',
    also=(("billing@example.com", "jan"),),
    priority="high",
    trace=("abcdefghijklmnop", "qrstuvwxyz234567"),
    auth_results="mx1.example.com; none",
    received="from a ([192.0.2.1]) by mx1.example.com (routerd) with ESMTP id 01J; Wed, 15 Jan 2025 10:00:00 +0000",
    cut_authserv_ids=("mx1.example.com",),
)
OURS = (
    b"Delivered-To X-Assigned-To X-Assigned-Name X-Labels X-Routerd-Rules X-Routerd-Why X-Routerd-Id X-Routerd-Copy"
    b" X-Routerd-Also X-Routerd-Trace Importance X-Priority Authentication-Results Received"
).split()
TEXT = st.text(max_size=200)


def copy_of(raw: bytes, annotation: Annotation = FULL, *, may_add_priority: bool = True) -> bytes:
    annotated = annotate(raw, annotation, f"{annotation.queue_id}-1", may_add_priority=may_add_priority)
    return annotated.head + raw[annotated.body_start :]


def decoded(copy: bytes, name: str) -> str:
    value = message_from_bytes(copy)[name]
    return str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", value))))


def test_the_contract() -> None:
    """All of ours on top, in the order of the contract; then the message as it came."""
    raw = b"Received: from x\r\n\tby y; now\r\nSubject: a\r\n\r\nbody\r\n"
    copy = copy_of(raw)
    assert copy.endswith(raw)
    added = copy.removesuffix(raw)
    assert re.sub(rb"\r\n (?=.)", b" ", added).decode().splitlines() == [
        "Delivered-To: support@example.com",
        "X-Assigned-To: ewa@example.com",
        "X-Assigned-Name: Ewa Nowak",
        "X-Labels: complaint, urgent",
        "X-Routerd-Rules: 20-finance.yaml/invoices, 20-finance.yaml/complaints-are-urgent",
        "X-Routerd-Why: complaints-are-urgent: subject has =?utf-8?b?InNrYXJnxJki?= (stem skarga);"
        " owner by finance/round_robin",
        "X-Routerd-Id: 01JAAAAAAAAAAAAAAAAAAAAAAA",
        "X-Routerd-Copy: 01JAAAAAAAAAAAAAAAAAAAAAAA-1",
        "X-Routerd-Also: billing@example.com (jan)",
        "X-Routerd-Trace: 01JAAAAAAAAAAAAAAAAAAAAAAA abcdefghijklmnop qrstuvwxyz234567",
        "Importance: high",
        "X-Priority: 1",
        "Authentication-Results: mx1.example.com; none",
        f"Received: {FULL.received}",
    ]
    assert all(len(line) <= 78 for line in added.split(b"\r\n"))


def test_what_is_not_there_is_absent() -> None:
    """Without labels, rules and the rest there are no empty fields."""
    names = message_from_bytes(copy_of(b"\r\n", PLAIN)).keys()
    assert names == ["Delivered-To", "X-Assigned-To", "X-Assigned-Name", "X-Routerd-Id", "X-Routerd-Copy"]


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"", b"\r\n"),
        (b"\r\n", b"\r\n"),
        (b"\r\nbody\r\n", b"\r\nbody\r\n"),
        (b"Subject: a", b"Subject: a\r\n\r\n"),
        (b"Subject: a\r\n", b"Subject: a\r\n\r\n"),
        (b"Subject: a\r\n\r\n", b"Subject: a\r\n\r\n"),
        (b"just text\r\n", b"\r\njust text\r\n"),
        (b"Subject: a\r\njust text\r\nX-Labels: x\r\n", b"Subject: a\r\n\r\njust text\r\nX-Labels: x\r\n"),
        (b" folded into nothing\r\nSubject: a\r\n\r\nb", b"Subject: a\r\n\r\nb"),
        (b"From a@b Mon Jan  1\r\nSubject: a\r\n\r\nb", b"Subject: a\r\n\r\nb"),
        (b"X-Labels: x", b"\r\n"),
        (b"X-Labels: x\r\n\r\nX-Labels: in the body\r\n", b"\r\nX-Labels: in the body\r\n"),
        (b"Subject: a\n\nX-Labels: b\n", b"Subject: a\n\nX-Labels: b\n"),
    ],
)
def test_odd_messages_give_correct_copies(raw: bytes, kept: bytes) -> None:
    """Empty, headless and bodiless messages too: ours on top, an empty line, the body untouched."""
    added = copy_of(b"\r\n").removesuffix(b"\r\n")
    assert copy_of(raw) == added + kept
    assert message_from_bytes(copy_of(raw))["X-Routerd-Id"] == FULL.queue_id


def test_forged_fields_are_replaced_by_ours() -> None:
    """What a stranger said in our name is gone; what other hops said stays."""
    raw = (
        b"X-Assigned-To: ceo@example.com\r\nAuthentication-Results: MX1.example.com; dmarc=pass\r\n"
        b"Authentication-Results: mx.other.net; spf=pass\r\nARC-Authentication-Results: i=1; mx1.example.com; none\r\n"
        b"x-labels :\r\n vip\r\n\r\nbody"
    )
    message = message_from_bytes(copy_of(raw))
    assert message.get_all("X-Assigned-To") == ["ewa@example.com"]
    assert message.get_all("X-Labels") == ["complaint, urgent"]
    assert message.get_all("Authentication-Results") == ["mx1.example.com; none", "mx.other.net; spf=pass"]
    assert len(message.get_all("ARC-Authentication-Results", [])) == 1


def test_a_map_of_a_file_is_as_good(tmp_path: Path) -> None:
    """Large messages come as a map of their file."""
    raw = b"X-Labels: x\r\nSubject: a\r\n\r\nbody\r\n"
    path = tmp_path / "message"
    path.write_bytes(raw)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        annotated = annotate(mapped, FULL, "c", may_add_priority=True)
        assert annotated == annotate(raw, FULL, "c", may_add_priority=True)
        assert attach_original(mapped, FULL, "c") == attach_original(raw, FULL, "c")


@pytest.mark.parametrize(
    "header", [b"Importance: low", b"x-priority : 5", b"X-MSMail-Priority: Low", b"Priority: urgent"]
)
def test_a_priority_of_the_sender_stays(header: bytes) -> None:
    """A message that says how important it is keeps that, and gets no other."""
    message = message_from_bytes(copy_of(header + b"\r\n\r\n"))
    assert [name for name in message if name in ("Importance", "X-Priority")] == [
        name for name in ("Importance", "X-Priority") if header.startswith(name.encode())
    ]


@pytest.mark.parametrize(
    ("priority", "expected"),
    [("high", ("high", "1")), ("normal", ("normal", "3")), ("low", ("low", "5")), (None, (None, None))],
)
def test_priorities(priority: str | None, expected: tuple[str | None, str | None]) -> None:
    """A priority shows in both headers, and only where that is allowed."""
    annotation = replace(FULL, priority=priority)
    message = message_from_bytes(copy_of(b"Subject: a\r\n\r\n", annotation))
    assert (message["Importance"], message["X-Priority"]) == expected
    message = message_from_bytes(copy_of(b"Subject: a\r\n\r\n", annotation, may_add_priority=False))
    assert (message["Importance"], message["X-Priority"]) == (None, None)


@given(TEXT, TEXT, TEXT, st.binary(max_size=60))
def test_values_smuggle_nothing(name: str, why: str, address: str, body: bytes) -> None:
    """Whatever values hold, each field is one field, ASCII, in lines of bounded length, and the body follows."""
    annotation = replace(
        FULL,
        inbox=address,
        assigned_to=address,
        assigned_name=name,
        labels=(name, why),
        rules=(why, name) * 5,
        why=why * 10,
        also=((address, name),),
        auth_results=why,
        received=address,
        trace=(name,),
    )
    raw = b"Subject: a\r\n\r\n" + body
    copy = copy_of(raw, annotation)
    assert copy.endswith(b"\r\n" + raw)
    added = copy.removesuffix(raw)
    assert not re.search(rb"[^\r\n\x20-\x7e]|\r(?!\n)|(?<!\r)\n|\n[ ]*\r", added)
    seen = [line.partition(b":")[0] for line in re.sub(rb"\r\n (?=[!-~])", b" ", added).splitlines()]
    assert seen == sorted(set(seen), key=OURS.index)
    assert max(map(len, added.split(b"\r\n"))) < 998


@given(st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1, max_size=120))
def test_text_comes_back(text: str) -> None:
    """Names in any script are what they were, once decoded; encoded words and lines keep their limits."""
    text = " ".join(f"{text} =?utf-8?q?x?= plain {text}".split())
    copy = copy_of(b"\r\n", replace(PLAIN, assigned_name=text))
    assert decoded(copy, "X-Assigned-Name") == text
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ \r\n]+\?=", copy))


def test_scripts() -> None:
    """Polish and Arabic labels and names, mixed with ASCII, long enough to be folded."""
    labels = ("skarga-pilna", "zażółć-gęślą", "شكوى", "فاتورة/عاجل") * 6
    copy = copy_of(b"\r\n", replace(PLAIN, labels=labels, assigned_name="Łucja Żółć-Gęślicka"))
    assert decoded(copy, "X-Labels") == ", ".join(labels)
    assert decoded(copy, "X-Assigned-Name") == "Łucja Żółć-Gęślicka"
    assert all(len(line) <= 76 for line in copy.split(b"\r\n"))


@pytest.mark.parametrize("word", ["why", "dlaczegóż", "لماذا", "x" * 300, "漢" * 300])
def test_explanations_are_capped(word: str) -> None:
    """X-Routerd-Why and -Rules stay within a kilobyte, fold and all, and say that something is missing."""
    rules = tuple(f"10-file.yaml/{word[:70]} {number}" for number in range(200))
    copy = copy_of(b"\r\n", replace(PLAIN, why=f"{word} " * 400, rules=rules))
    for name in ("X-Routerd-Why", "X-Routerd-Rules"):
        found = re.search(rf"(?s)\r\n({name}: .*?\r\n)(?! )".encode(), copy)
        assert found
        assert 600 < len(found[1]) <= 1024
        assert decoded(copy, name).endswith(" ...")
    assert set(decoded(copy, "X-Routerd-Rules").split(", ")[:-1]) < set(rules)


def test_one_rule_too_long() -> None:
    """A single rule name beyond the cap leaves the mark, not an endless line."""
    copy = copy_of(b"\r\n", replace(PLAIN, rules=("x" * 5000,)))
    assert decoded(copy, "X-Routerd-Rules") == "..."


CLIENT = Client(address="192.0.2.1", port=4711, helo="mail.klient.pl", protocol=Protocol.SMTP, listener="smtp")
AT = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)


def received_from(client: Client, *recipients: str, smtputf8: bool = False) -> Received:
    addresses = map(parse_address, recipients)
    granted = tuple(Recipient(address, Purpose.INBOX, address.key) for address in addresses)
    return Received(QueueId("01J"), Envelope("a@far.test", granted, smtputf8=smtputf8), client, b"", AT)


def test_received() -> None:
    """Who, from where, by whom, how, for whom, when (RFC 5321 4.4)."""
    assert received_value(received_from(replace(CLIENT, tls="TLSv1.3"), "support@example.com"), "mx1.example.com") == (
        "from mail.klient.pl ([192.0.2.1]) by mx1.example.com (routerd) with ESMTPS id 01J"
        " for <support@example.com>; Wed, 15 Jan 2025 10:00:00 +0000"
    )


@pytest.mark.parametrize(
    ("client", "start"),
    [
        (replace(CLIENT, address="2001:db8::1"), "from mail.klient.pl ([IPv6:2001:db8::1]) by h "),
        (replace(CLIENT, address="", protocol=Protocol.LMTP), "from mail.klient.pl by h (routerd) with LMTP "),
        (replace(CLIENT, helo=""), "from unknown ([192.0.2.1]) by h "),
        (replace(CLIENT, helo="[192.0.2.1]", esmtp=False), "from [192.0.2.1] ([192.0.2.1]) by h (routerd) with SMTP "),
        (replace(CLIENT, helo="a (by evil)\r\nX: y; z"), "from a??by?evil???X:?y??z ([192.0.2.1]) by h "),
        (replace(CLIENT, helo="ż\u2028"), "from ?? ("),
    ],
)
def test_received_of_odd_clients(client: Client, start: str) -> None:
    """A greeting can neither end the clause nor the line."""
    assert received_value(received_from(client, "a@b.c", "d@b.c"), "h").startswith(start)


def test_received_says_what_dns_says() -> None:
    """The confirmed name before the address (RFC 5321 4.4, TCP-info), the lists in a comment at the end."""
    findings = ClientFindings("pass", "out.klient.pl", frozenset({"two.test", "one.test"}))
    assert received_value(received_from(replace(CLIENT, findings=findings), "a@b.c"), "h") == (
        "from mail.klient.pl (out.klient.pl [192.0.2.1]) by h (routerd) with ESMTP id 01J for <a@b.c>"
        " (client listed by one.test, two.test); Wed, 15 Jan 2025 10:00:00 +0000"
    )


@pytest.mark.parametrize(
    ("client", "protocol"),
    [
        (CLIENT, "UTF8SMTP"),
        (replace(CLIENT, tls="TLSv1.3"), "UTF8SMTPS"),
        (replace(CLIENT, tls="TLSv1.3", member="ewa"), "UTF8SMTPSA"),
        (replace(CLIENT, protocol=Protocol.LMTP), "UTF8LMTP"),
        (replace(CLIENT, protocol=Protocol.LMTP, tls="TLSv1.3"), "UTF8LMTPS"),
    ],
)
def test_received_says_that_a_message_came_with_smtputf8(client: Client, protocol: str) -> None:
    """RFC 6531 4.3 has words of its own for it."""
    assert f" with {protocol} id 01J" in received_value(received_from(client, "a@b.c", smtputf8=True), "h")


def test_received_does_not_tell_a_bcc() -> None:
    """With more than one recipient none is named."""
    assert " for " not in received_value(received_from(CLIENT, "a@b.c", "d@b.c"), "h")


def test_an_original_that_cannot_be_cut_is_attached() -> None:
    """Ours on top, the original whole inside, its forged fields in there with it."""
    original = "X-Assigned-To: ceo@example.com\r\nSubject: zażółć\r\n\r\nbody\r\n".encode()
    copy = attach_original(original, FULL, "01J-1")
    message = message_from_bytes(copy)
    assert message.get_all("X-Assigned-To") == ["ewa@example.com"]
    assert message["X-Routerd-Copy"] == "01J-1"
    assert message["Date"] == "Wed, 15 Jan 2025 10:00:00 +0000"
    assert message["From"] == "routerd <support@example.com>"
    assert message["Message-ID"] == "<routerd.01J-1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    text, attached = message.get_payload()
    assert text.get_content_type() == "text/plain"
    assert attached.get_content_type() == "message/rfc822"
    assert attached["Content-Transfer-Encoding"] == "8bit"
    boundary = message.get_boundary().encode()
    assert original in copy
    assert copy.count(b"\r\n--" + boundary) == 3
    assert attach_original(original, FULL, "01J-1") == copy


def test_the_boundary_does_not_stand_in_the_original() -> None:
    """An original that holds the boundary, say an earlier copy of the kind, gets another one."""
    first = attach_original(b"Subject: a\r\n\r\n", PLAIN, "01J-1")
    second = attach_original(first, PLAIN, "01J-1")
    assert message_from_bytes(first).get_boundary() != message_from_bytes(second).get_boundary()
    assert message_from_bytes(first).get_boundary().encode() in second


@given(st.binary(max_size=300), TEXT, TEXT)
def test_attaching_never_fails(original: bytes, inbox: str, received: str) -> None:
    """The last resort takes any bytes and any values."""
    copy = attach_original(original, replace(FULL, inbox=inbox, received=received), "01J-1")
    head, _, rest = copy.partition(b"\r\n\r\n")
    assert original in rest
    assert not re.search(rb"[^\r\n\x20-\x7e]|\r(?!\n)|(?<!\r)\n", head)


def test_traces_of_others_stay_and_nothing_else_of_that_name() -> None:
    """Below ours, as far as they look like one: without them two routerds would not know their own again."""
    trace, longer = b"01JBBBBBBBBBBBBBBBBBBBBBBB abcdefghijklmnop", b" ".join([b"abcdefghijklmnop"] * 6)
    raw = (
        b"X-Routerd-Trace: " + trace + b"\r\nX-Routerd-Trace: 01J x\r\nX-Routerd-Trace: " + trace + b"\r\n evil\r\n"
        b"x-routerd-trace: " + trace + b"\r\nX-Routerd-Trace: 01JCCCCCCCCCCCCCCCCCCCCCCC\r\n " + longer + b"\r\n\r\n"
    )
    values = [value.replace("\r\n", "") for value in message_from_bytes(copy_of(raw)).get_all("X-Routerd-Trace", [])]
    assert values[1:] == [trace.decode(), f"01JCCCCCCCCCCCCCCCCCCCCCCC {longer.decode()}"]
    assert len(message_from_bytes(copy_of(b"X-Routerd-Trace: " + trace + b"\r\n" + raw * 20)).keys()) < 30
