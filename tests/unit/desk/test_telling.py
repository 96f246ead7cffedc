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


def test_its_address_is_where_our_own_addresses_are() -> None:
    elsewhere = house(addresses={"style": "domain", "domain": "desk.example.com", "delimiter": "-"})
    mail = tell(Told(SUPPORT, ("jan",), "x", "y\n", "z"), elsewhere, NOW)
    assert b"From: routerd <support-note@desk.example.com>\r\n" in mail.raw
