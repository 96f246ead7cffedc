from email import message_from_bytes
from email.policy import default

from desk_house import NOW, SUPPORT, house

from routerd.desk.changes import Part, Role
from routerd.desk.telling import Told, tell


def test_what_routerd_tells_members_comes_from_the_note_address() -> None:
    """Whoever answers it, with whatever client, never reaches a customer by that; and no machine answers it."""
    members = ("jan", "omar", "jan", "anna@klient.pl", "finance")
    told = Told(SUPPORT, members, "Przypomnienie", "Czekają.\n", "reminder", in_reply_to="a@klient.pl")
    mail = tell(told, house(), NOW)
    read = message_from_bytes(mail.raw, policy=default)
    assert read["From"] == "routerd <support+note@example.com>"
    assert [str(one.addr_spec) for one in read["To"].addresses] == ["jan@example.com", "omar@far.example"]
    assert [(copy.member, copy.role) for copy in mail.copies] == [("jan", Role.DESK), ("omar", Role.DESK)]
    assert (read["In-Reply-To"], read["References"]) == ("<a@klient.pl>", "<a@klient.pl>")
    assert (read["Message-ID"], read["Auto-Submitted"]) == (f"<{mail.message_id}>", "auto-generated")
    assert read.get_content() == "Czekają.\n"
    assert (mail.part, mail.from_null) == (Part.TOLD, True)


def test_what_customers_write_neither_moves_a_terminal_nor_turns_a_line() -> None:
    """Their own script stays readable where they are quoted; names and subjects are told as they are."""
    subject = "Faktura \u202egpj.exe\x1b[2J"
    text = f"Subject: {subject}\nWith: \u2066عمر\u2069 \u200f<a@b.c>\n> \u202bمرحبا\u202c \x1b[2J\x85\u202e\r\n"
    read = message_from_bytes(tell(Told(SUPPORT, ("jan",), subject, text, "x"), house(), NOW).raw, policy=default)
    assert read["Subject"] == "Faktura gpj.exe [2J"
    assert read.get_content().splitlines() == [
        "Subject: Faktura <U+202E>gpj.exe<U+001B>[2J",
        "With: <U+2066>عمر<U+2069> \u200f<a@b.c>",
        "> \u202bمرحبا\u202c <U+001B>[2J<U+0085><U+202E>",
    ]


def test_its_address_is_where_our_own_addresses_are() -> None:
    elsewhere = house(addresses={"style": "domain", "domain": "desk.example.com", "delimiter": "-"})
    mail = tell(Told(SUPPORT, ("jan",), "x", "y\n", "z"), elsewhere, NOW)
    assert b"From: routerd <support-note@desk.example.com>\r\n" in mail.raw
