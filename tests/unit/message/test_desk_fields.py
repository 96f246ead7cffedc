"""What gives way to our fields, and how."""

import pytest

from routerd.message.address_list import Mailbox
from routerd.message.desk_fields import (
    NO_DESK_FIELDS,
    DeskFields,
    fields_of_addresses,
    fields_of_reply,
    name_of_inbox,
    with_room_for,
)

HEADER = b"""Received: from a\r
REPLY-TO : other@klient.pl,\r
 Third <third@klient.pl>\r
From: Anna <anna@klient.pl>\r
X-Reply-To: from@klient.pl\r
Subject: Faktura\r
 12\r
Reply-To: again@klient.pl\r
"""
ANNA = Mailbox("Anna via Support", "support+c.x@example.com")


def test_nothing_is_changed_without_need() -> None:
    """A note's address alone adds a line and touches none."""
    assert with_room_for(NO_DESK_FIELDS, HEADER) == HEADER
    assert with_room_for(DeskFields("support+n.x@example.com"), HEADER) == HEADER
    assert with_room_for(DeskFields(cuts_tags=True), HEADER) == HEADER
    folded = b"Subject: Re: [[complaint,\r\n urgent]]\r\n Parcel\r\nTo: a@b\r\n"
    assert with_room_for(DeskFields(cuts_tags=True), folded) == b"Subject: Re: Parcel\r\nTo: a@b\r\n"
    assert fields_of_addresses(NO_DESK_FIELDS) + fields_of_reply(NO_DESK_FIELDS) == b""


def test_reply_to_gives_way_under_another_name() -> None:
    """Every one of them, in any case, with its value as it was; all else stays."""
    kept = with_room_for(DeskFields(reply_to=ANNA), HEADER)
    assert kept == HEADER.replace(b"REPLY-TO :", b"X-Original-REPLY-TO :").replace(
        b"\nReply-To:", b"\nX-Original-Reply-To:"
    )
    assert fields_of_reply(DeskFields(reply_to=ANNA)) == b"Reply-To: Anna via Support <support+c.x@example.com>\r\n"


def test_from_gives_way_likewise() -> None:
    """Only where a sender of ours takes its place."""
    fields = DeskFields(sender=Mailbox("Żaneta, szefowa", "support@example.com"))
    assert with_room_for(fields, HEADER) == HEADER.replace(b"From: Anna", b"X-Original-From: Anna")
    written = fields_of_reply(fields)
    assert written.isascii()
    assert written.startswith(b"From: =?utf-8?")
    assert written.endswith(b"<support@example.com>\r\n")


def test_a_tag_goes_on_top_of_the_whole_subject() -> None:
    """Folds stay; without a subject there is one of the tag alone."""
    kept = with_room_for(DeskFields(tag="[[urgent]]"), HEADER)
    assert kept == HEADER.replace(b"Subject: Faktura", b"Subject: [[urgent]] Faktura")
    bare = with_room_for(DeskFields(tag="[[urgent]]"), b"From: a@b\r\n")
    assert bare == b"Subject: [[urgent]]\r\nFrom: a@b\r\n"


@pytest.mark.parametrize("header", [b"", b"\r\n", b"Subject", b"Subject:", b"Reply-To:\r\n\tx", b"Subject: a\n b\n"])
def test_any_header_is_taken(header: bytes) -> None:
    """What is broken stays broken, and nothing of it is lost."""
    fields = DeskFields(reply_to=ANNA, sender=ANNA, tag="[[urgent]]")
    kept = with_room_for(fields, header)
    assert kept.replace(b"X-Original-", b"").replace(b" [[urgent]]", b"").split() == [
        *([] if b"Subject:" in header else [b"Subject:"]),
        *header.split(),
    ]


def test_addresses_are_named_as_mailto() -> None:
    """What a URI cannot hold is escaped (RFC 6068 2)."""
    assert fields_of_addresses(DeskFields("a%b&c+n.x@example.com", "a+d.y@example.com")) == (
        b"X-Routerd-Note: <mailto:a%25b%26c+n.x@example.com>\r\nX-Routerd-Draft: <mailto:a+d.y@example.com>\r\n"
    )


def test_names_of_inboxes() -> None:
    """What stands before the @."""
    assert name_of_inbox("support@example.com") == "Support"
