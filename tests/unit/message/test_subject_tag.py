"""Labels on top of a subject, and subjects without them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.address_list import Mailbox
from routerd.message.encode import text_field
from routerd.message.encoded_words import decode_header
from routerd.message.outgoing import Letterhead, outgoing_head
from routerd.message.subject_tag import MAX_TAG_CHARACTERS, tag_of, tagged_field, untagged_value

_LABELS = st.lists(st.text("abcęłشكى-_./123", min_size=1, max_size=20), min_size=1, max_size=30)


def shown(field: bytes) -> str:
    return decode_header(field.partition(b":")[2].replace(b"\r\n", b"")).strip()


@pytest.mark.parametrize(
    ("labels", "value", "expected"),
    [
        (("complaint", "urgent"), b" Faktura 12\r\n", "[[complaint, urgent]] Faktura 12"),
        (("complaint",), b"Faktura\r\n", "[[complaint]] Faktura"),
        (("complaint",), b"\r\n =?utf-8?q?Skarga_na_faktur=C4=99?=\r\n", "[[complaint]] Skarga na fakturę"),
        (("skarga-ą",), b" =?utf-8?q?faktur=C4=99?=\r\n", "[[skarga-ą]]\N{NO-BREAK SPACE}fakturę"),
        (("شكوى",), b" Faktura\r\n", "[[شكوى]]\N{NO-BREAK SPACE} Faktura"),
        (("complaint",), b"\r\n", "[[complaint]]"),
        (("complaint",), b"", "[[complaint]]"),
        (("complaint",), b" \xc4\x99\r\n", "[[complaint]] ę"),
    ],
)
def test_a_tag_stands_on_top(labels: tuple[str, ...], value: bytes, expected: str) -> None:
    """Whatever the subject is made of, it reads as before behind the tag."""
    field = tagged_field(value, tag_of(labels))
    assert field.startswith(b"Subject: ")
    assert field.endswith(b"\r\n")
    assert shown(field) == expected


@given(_LABELS, st.text(max_size=60), st.sampled_from(["", "Re: ", "Odp: Re: ", "رد: ", "[EXTERNAL] AW: "]))
def test_what_a_client_makes_of_it_goes_out_without(labels: list[str], subject: str, prefix: str) -> None:
    """However a client writes it again: raw, in encoded words, folded, with a prefix of its own."""
    tagged = tagged_field(text_field("Subject", subject).removeprefix(b"Subject:"), tag_of(labels))
    text = prefix + shown(tagged)
    for written in (text.encode(), text_field("Subject", text).removeprefix(b"Subject: ")):
        bare = decode_header(untagged_value(written).replace(b"\r\n", b""))
        assert not any(f"[[{label}" in bare for label in labels if f"[[{label}" not in subject)


@pytest.mark.parametrize(
    "value",
    [
        b" Re: [invoice] #4711",
        b" [#4711] hello",
        b" Re: a [note] in between",
        b" =?utf-8?q?Re:_Faktur=C4=99?=",
        b" Wiki link [[Main Page]] here",
        b" [[]] [[ ]] [[a]",
        b" =?utf-8?q?broken",
        b"",
    ],
)
def test_what_is_no_tag_stays_as_it_is_written(value: bytes) -> None:
    """Byte for byte."""
    assert untagged_value(value) == value


def test_a_tag_has_whole_labels_and_an_end() -> None:
    """What does not fit is left out."""
    tag = tag_of([f"label-{number:02d}" for number in range(99)])
    assert len(tag) <= MAX_TAG_CHARACTERS + 4
    assert all(len(label) == 8 for label in tag[2:-2].split(", "))
    assert tag_of(()) == ""
    assert untagged_value(tagged_field(b" Hello", tag).removeprefix(b"Subject: ").strip()) == b"Hello"


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        (b"[note] Skarga", b"Skarga"),
        (b"Re: [draft] Skarga", b"Re: Skarga"),
        (b"Odp: [NOTE] [draft] Re: [note] a", b"Odp: Re: a"),
        (b"=?utf-8?Q?Re:_[note]_Skarg=C4=99?=", b"Re: =?utf-8?b?U2thcmfEmQ==?="),
        (b"Re: [[complaint]] [note] a", b"Re: a"),
        (b"Re: [approve] Skarga", b"Re: Skarga"),
        (b"Re: [not sent] Re: [waits] Skarga", b"Re: Re: Skarga"),
        (b"[not delivered] [dropped] [overdue] a", b"[overdue] a"),
    ],
)
def test_marks_of_notes_and_drafts_go_with_the_tags(value: bytes, bare: bytes) -> None:
    """A draft that is sent says nothing of having been one."""
    assert decode_header(untagged_value(value)) == decode_header(bare)


def test_an_answer_goes_out_without_a_tag() -> None:
    """Whatever else its client put before it stays."""
    raw = b"From: ewa@example.com\r\nSubject: Odp: [[invoice, urgent]] Faktura\r\n\r\nx\r\n"
    head = outgoing_head(raw, Letterhead(Mailbox("Support", "support@example.com"), ()))
    assert b"\r\nSubject: Odp: Faktura\r\n" in head
