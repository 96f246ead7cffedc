"""The header under which a member's mail goes on."""

import pytest

from routerd.message.address_list import Mailbox
from routerd.message.headers import HeaderBlock
from routerd.message.outgoing import Letterhead, outgoing_head

SUPPORT = Letterhead(Mailbox("Support", "support@example.com"), (Mailbox("Anna", "anna@klient.pl"),))


@pytest.mark.parametrize("blank", [" ", "\t \t", "  \r\n ", " \x0b"])
@pytest.mark.parametrize("prefix", ["", "[note] "])
def test_no_line_of_white_space_goes_out(blank: str, prefix: str) -> None:
    """Some servers end the header there, and the rest of it is text to the customer."""
    raw = (
        f"Subject: Your\r\n{blank}\r\n parcel\r\nReferences: <1@x>\r\n{blank}\r\n <2@x>\r\n"
        f"Content-Type: text/plain;\r\n{blank}\r\n\tcharset=utf-8\r\n\r\nHello"
    ).encode()
    head = outgoing_head(raw, Letterhead(SUPPORT.sender, SUPPORT.to, prefix=prefix))
    assert all(line.strip() for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n"))
    assert head.endswith(
        f"Subject: {prefix}Your\r\n parcel\r\nReferences: <1@x>\r\n <2@x>\r\n"
        "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n\r\n".encode()
    )


def test_a_bare_carriage_return_begins_no_field() -> None:
    head = outgoing_head(b"Subject: a\rBcc: x@y.z\r\nContent-Type: text/plain\rX-Secret: 1\r\n\r\n", SUPPORT)
    assert set(HeaderBlock.scan(head).names) == {"from", "to", "subject", "content-type"}
    assert b"\r" not in head.replace(b"\r\n", b"")
