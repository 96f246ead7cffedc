"""A day at the desk, as its people live it: two customers, in Polish and in Arabic, and three members who have nothing
but their own mail clients. In front stands a real Postfix, and the members' mailboxes are at a real Dovecot."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from as_received import addr_spec, inner_fields, note_address, words
from office import AMAL, ANNA, EWA, JAN, SUPPORT, TUESDAY, Office, open_office
from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.dovecot import DovecotLmtp
from peers.machine import wait_for
from peers.postfix import Postfix
from written_by import by_apple_mail, by_gmail, by_outlook, by_thunderbird

ASKED = "Dzień dobry,\nfaktura, którą dostałam wczoraj, jest błędna. Proszę o pilny kontakt w tej sprawie."
ANSWERED = "Już to sprawdzam.\nProszę o chwilę cierpliwości."
THANKED = "Bardzo dziękuję, czekam na fakturę."
SENT = "Poprawioną fakturę wysłałam przed chwilą."
SENT_TOO = "Fakturę poprawi księgowość jeszcze dzisiaj."
ASKED_AGAIN = "Halo, kwota nadal się nie zgadza."
ASKED_IN_ARABIC = "السلام عليكم،\nلم يصل الطلب الذي دفعت ثمنه قبل أسبوع. أرجو الرد في أقرب وقت ممكن."
ANSWERED_IN_ARABIC = "مرحبا أمل، سيصل الطلب غدا."
COMPLAINT, COMPLAINT_IN_ARABIC = "Skarga na fakturę", "شكوى: طلب متأخر"
RE, RE_IN_ARABIC = f"Re: {COMPLAINT}", f"Re: {COMPLAINT_IN_ARABIC}"
MINUTE, HOUR = 60.0, 3600.0


class Day:
    """From Monday at nine to the figures of Tuesday; each step goes on where the one before ended."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.asked = self.answer = ""  # Message-IDs
        self.copy: Any = None  # of what was said last, in the mailbox of who has to see to it

    def a_complaint_comes_is_labelled_and_assigned(self) -> None:
        self.office.at(9)
        self.asked = self.office.write(ANNA, SUPPORT, COMPLAINT, by_gmail, ASKED)
        self.copy = self.office.mail("ewa", ASKED)
        assert (self.copy["X-Labels"], self.copy["X-Assigned-To"]) == ("complaint", "ewa@team.test")

    def its_customer_hears_so_at_once(self) -> None:
        (reply,) = self.office.outside("anna", 1)
        fields = addr_spec(reply, "From"), reply["In-Reply-To"], reply["Auto-Submitted"]
        assert fields == (SUPPORT, self.asked, "auto-replied")
        assert reply["Subject"] == f"Odp: {COMPLAINT}"
        assert words(reply).strip() == "Dzień dobry, odpowiemy do 2027-03-01 13:00."

    def its_owner_answers_from_her_mailbox(self) -> None:
        """The customer has it from the inbox, in her thread."""
        self.office.at(9, 20)
        thread = (f"In-Reply-To: {self.asked}", f"References: {self.asked}")
        to = addr_spec(self.copy, "Reply-To")
        self.answer = self.office.write(EWA, to, f"ODP: {COMPLAINT}", by_outlook, ANSWERED, *thread, quoted=ASKED)
        seen = self.office.outside("anna", 2)[1]
        assert (addr_spec(seen, "From"), addr_spec(seen, "To")) == (SUPPORT, "anna@klient.test")
        assert (seen["Message-ID"], seen["In-Reply-To"], seen["References"]) == (self.answer, self.asked, self.asked)
        assert words(seen).startswith(ANSWERED)

    def the_customers_next_mail_comes_to_the_same_owner(self) -> None:
        """And no other automatic reply goes out."""
        self.office.at(9, 30)
        thread = (f"In-Reply-To: {self.answer}", f"References: {self.asked} {self.answer}")
        self.office.write(ANNA, SUPPORT, f"Re: ODP: {COMPLAINT}", by_gmail, THANKED, *thread, quoted=ANSWERED)
        self.copy = self.office.mail("ewa", THANKED)
        assert self.copy["X-Assigned-To"] == "ewa@team.test"
        self._replies_withheld(1)

    def a_colleague_answers_what_was_answered_meanwhile(self) -> None:
        """His answer is held, and comes back to him with what the customer has got."""
        jans = self.office.mail("jan", THANKED)
        self.office.at(9, 35)
        self.office.write(EWA, addr_spec(self.copy, "Reply-To"), RE, by_thunderbird, SENT, quoted=THANKED)
        self.office.outside("anna", 3)
        self.office.at(9, 40)
        self.office.write(JAN, addr_spec(jans, "Reply-To"), RE, by_gmail, SENT_TOO, quoted=THANKED)
        self.copy = self.office.mail("jan", SENT_TOO, "[not sent]")
        assert "Ewa Nowak wrote on 2027-03-01 09:35 CET" in words(self.copy)
        assert f"> {SENT}" in words(self.copy)
        self.office.outside("anna", 3)

    def he_sends_it_all_the_same(self) -> None:
        self.office.at(9, 50)
        self.office.write(JAN, addr_spec(self.copy, "Reply-To"), RE, by_thunderbird, "#send", quoted=words(self.copy))
        seen = self.office.outside("anna", 4)[3]
        assert (addr_spec(seen, "From"), words(seen).startswith(SENT_TOO)) == (SUPPORT, True)

    def a_note_reaches_a_colleague_and_never_the_customer(self) -> None:
        """Amal has the automatic reply in Arabic; what is said of her, she has not."""
        self.office.at(10)
        self.asked = self.office.write(AMAL, SUPPORT, COMPLAINT_IN_ARABIC, by_apple_mail, ASKED_IN_ARABIC)
        ewas = self.office.mail("ewa", ASKED_IN_ARABIC)
        assert (ewas["X-Labels"], ewas["X-Assigned-To"]) == ("complaint", "ewa@team.test")
        said = "@jan znasz arabski?"
        self.office.write(EWA, note_address(ewas), RE_IN_ARABIC, by_thunderbird, said, quoted=ASKED_IN_ARABIC)
        self.copy = self.office.mail("jan", said)
        assert self.copy["Subject"] == f"[note] {RE_IN_ARABIC}"
        (reply,) = self.office.outside("amal", 1)
        assert reply["Subject"] == f"رد: {COMPLAINT_IN_ARABIC}"
        assert words(reply).strip() == "مرحبا، سنرد قبل 2027-03-01 14:00."

    def he_has_it_assigned_to_himself_and_labels_it(self) -> None:
        """The quote below is no command."""
        self.office.at(10, 10)
        said = "#assign jan\n#label +pilne"
        self.office.write(JAN, note_address(self.copy), RE_IN_ARABIC, by_gmail, said, quoted="#close")
        self.office.wait_for_conversation("amal@zabun.test", owner="jan", state="open", labels=["complaint", "pilne"])

    def he_puts_it_off_for_an_hour(self) -> None:
        self.office.at(10, 20)
        self.office.write(JAN, note_address(self.copy), RE_IN_ARABIC, by_outlook, "#snooze 1h")
        self.office.wait_for_conversation("amal@zabun.test", state="snoozed")
        self.office.at(11, 20)
        self.office.mail("jan", "it is open again", "[snoozed until now]")

    def he_answers_and_closes_it(self) -> None:
        given = self.office.mail("jan", ASKED_IN_ARABIC, COMPLAINT_IN_ARABIC)
        self.office.at(11, 30)
        to, thread = addr_spec(given, "Reply-To"), f"In-Reply-To: {self.asked}"
        answer = self.office.write(
            JAN, to, RE_IN_ARABIC, by_apple_mail, ANSWERED_IN_ARABIC, thread, quoted=ASKED_IN_ARABIC
        )
        seen = self.office.outside("amal", 2)[1]
        assert (addr_spec(seen, "From"), seen["Message-ID"], seen["In-Reply-To"]) == (SUPPORT, answer, self.asked)
        assert words(seen).startswith(ANSWERED_IN_ARABIC)
        self.office.at(11, 40)
        self.office.write(JAN, note_address(given), RE_IN_ARABIC, by_outlook, "#close")
        self.office.wait_for_conversation("amal@zabun.test", state="closed")

    def the_first_goes_back_to_who_had_it(self) -> None:
        """Who answers takes a conversation; he gives it back."""
        assert self.office.conversation("anna@klient.test")["owner"] == "jan"
        self.office.at(11, 50)
        jans = self.office.mail("jan", THANKED)
        self.office.write(JAN, note_address(jans), RE, by_apple_mail, "#assign ewa")
        self.office.wait_for_conversation("anna@klient.test", owner="ewa", state="answered")

    def its_owners_out_of_office_is_noticed(self) -> None:
        """It comes back to the return path that Dovecot wrote into her mailbox."""
        self.office.at(12)
        back = str(self.office.mail("ewa", THANKED)["Return-Path"]).strip("<>")
        assert back.startswith("support+b.")
        automatic = ("Auto-Submitted: auto-replied", f"In-Reply-To: {self.answer}", "X-Auto-Response-Suppress: All")
        subject, said = f"Odpowiedź automatyczna: {COMPLAINT}", "Jestem na urlopie."
        self.office.write(EWA, back, subject, by_outlook, said, *automatic, sender="")
        self.office.mail("ewa", "so you count as away here", "You count as away")

    def her_deputy_gets_the_next_message(self) -> None:
        """She keeps a copy, and the customer hears nothing of it."""
        self.office.at(12, 10)
        self.office.write(ANNA, SUPPORT, RE, by_gmail, ASKED_AGAIN, f"References: {self.answer}")
        self.copy = self.office.mail("omar", ASKED_AGAIN)
        assert self.copy["X-Assigned-To"] == "omar@team.test"
        assert "deputy of ewa who is away" in self.copy["X-Routerd-Why"]
        self.office.mail("ewa", ASKED_AGAIN)
        self._replies_withheld(2)

    def the_deadline_passes(self) -> None:
        """At three quarters he is reminded; then it is overdue, and told; half an hour later it is somebody else's."""
        self.office.at(15, 10)
        reminder = self.office.mail("omar", "to be given by 2027-03-01 16:10 CET", "[reminder]")
        assert "Anna Żak has been waiting for an answer since 2027-03-01 12:10 CET" in words(reminder)
        self.office.at(16, 10)
        self.office.mail("jan", "was to be given by 2027-03-01 16:10 CET", "[overdue]")
        found = self.office.conversation("anna@klient.test")
        assert (found["owner"], found["overdue"], found["labels"]) == ("omar", True, ["complaint", "overdue"])
        assert self.office.daemon.metric("routerd_overdue_total") == 1
        self.office.at(16, 40)
        self.office.mail("omar", "Jan Kowalski has it now", "[overdue]")
        self.office.wait_for_conversation("anna@klient.test", owner="jan", state="open")

    def the_summaries_come_in_the_morning(self) -> None:
        """His own to whom it is given now, the team's to who leads it; nothing to who is away."""
        self.office.at(8, day=TUESDAY)
        mine = self.office.mail("jan", "Overdue (1):", "[summary] 1 open, 1 overdue")
        assert f"{COMPLAINT}, Anna Żak, since 2027-03-01 12:10 CET, was due 2027-03-01 16:10 CET" in words(mine)
        self.office.mail("omar", "Team desk: 1 open, 1 waiting, 1 overdue", "[summary]")

    def the_report_is_right_to_the_second(self) -> None:
        """Of the two first answers one came after 20 minutes, one after an hour and a half; the closed conversation was
        answered after that time."""
        self.office.at(8, 10, day=TUESDAY)
        done = self.office.daemon.command("report", "--format", "json", "--since", "2027-03-01", "--by", "label")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        figures = {name: value for name, value in report["total"].items() if isinstance(value, int)}
        assert figures == {"received": 4, "answered": 4, "waiting": 1, "overdue": 1, "reassigned": 2, "held": 1}
        first, closed = _spread(2, 55 * MINUTE, 1.5 * HOUR), _spread(1, 1.5 * HOUR, 1.5 * HOUR)
        spreads = ("first_response", "first_response_working", "resolution", "resolution_working")
        assert [report["total"][name] for name in spreads] == [first, first, closed, closed]
        groups = {one["name"]: (one["received"], one["answered"], one["overdue"]) for one in report["groups"]}
        assert groups == {"complaint": (4, 4, 1), "overdue": (3, 3, 1), "pilne": (1, 1, 0)}
        days = [(one["day"], one["received"], one["answered"]) for one in report["days"]]
        assert days == [("2027-03-01", 4, 4), ("2027-03-02", 0, 0)]

    def nothing_else_left_the_house(self) -> None:
        everything = {name: self.office.outside(name, number) for name, number in (("anna", 4), ("amal", 2))}
        assert [inner_fields(one) for mails in everything.values() for one in mails] == [[]] * 6
        assert {path.name for path in (self.office.daemon.folder / "outside").iterdir()} == set(everything)

    def _replies_withheld(self, number: int) -> None:
        counted = lambda: self.office.daemon.metric("routerd_auto_replies_total", result="once_per")  # noqa: E731
        wait_for(lambda: counted() == number, "no other reply", 60)
        assert self.office.daemon.metric("routerd_auto_replies_total", result="sent") == number


def _spread(count: int, median: float, ninetieth: float) -> dict[str, float]:
    return {"count": count, "median_seconds": median, "ninetieth_percentile_seconds": ninetieth}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def office(
    routerd: Callable[..., RouterdDaemon],
    postfix: Callable[[Callable[[Path], Postfix]], Postfix],
    dovecot: Callable[..., DovecotLmtp],
    need: Callable[[str, str], str],
    dns: DnsServer,
    tmp_path: Path,
) -> Office:
    return open_office(tmp_path, need("cc", "gcc"), dns, routerd, postfix, dovecot)


def test_a_day_at_the_desk(office: Office) -> None:
    """No message is ignored, none is answered twice, and no customer sees what was said within."""
    day = Day(office)
    day.a_complaint_comes_is_labelled_and_assigned()
    day.its_customer_hears_so_at_once()
    day.its_owner_answers_from_her_mailbox()
    day.the_customers_next_mail_comes_to_the_same_owner()
    day.a_colleague_answers_what_was_answered_meanwhile()
    day.he_sends_it_all_the_same()
    day.a_note_reaches_a_colleague_and_never_the_customer()
    day.he_has_it_assigned_to_himself_and_labels_it()
    day.he_puts_it_off_for_an_hour()
    day.he_answers_and_closes_it()
    day.the_first_goes_back_to_who_had_it()
    day.its_owners_out_of_office_is_noticed()
    day.her_deputy_gets_the_next_message()
    day.the_deadline_passes()
    day.the_summaries_come_in_the_morning()
    day.the_report_is_right_to_the_second()
    day.nothing_else_left_the_house()
