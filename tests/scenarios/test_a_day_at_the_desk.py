"""A day at the desk, by a clock that the test sets: what customers write, members answer, and what comes by itself."""

import json
import re
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from typing import Any

import pytest
from peers.clock import SettableClock
from peers.daemon import RouterdDaemon
from peers.machine import wait_for

MONDAY = datetime(2027, 3, 1, 8, tzinfo=UTC)  # 09:00 in Warsaw
HOUR = timedelta(hours=1)
CONFIG = """\
hostname: mx1.example.com
state: {folder}/state
rules: {folder}/rules.d
listen:
  - {{address: "127.0.0.1:{smtp_port}"}}
  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}
trusted_networks: [127.0.0.0/8]
authserv_ids: [mx.example.com]
http: {{address: "127.0.0.1:{http_port}"}}
postmaster: duty
calendars:
  office: {{zone: Europe/Warsaw, days: mon-fri, hours: "08:00-17:00"}}
members:
  ewa: {{name: Ewa Nowak, mailbox: ewa@mail.example.com}}
  jan: {{name: Jan Kowalski, mailbox: jan@mail.example.com}}
  omar: {{name: عمر, mailbox: omar@mail.example.com}}
teams:
  desk: {{members: [ewa, jan], calendar: office, pick: first, lead: omar}}
  duty: {{members: [jan], pick: first}}
inboxes:
  support@example.com:
    default: desk
    replies: through
    escalate: [{{watch: omar}}, {{after: 4h, assign: duty}}]
    close_after: 14d
digest: "08:00"
delivery:
  - {{domain: "*", maildir: "{folder}/mail/{{local}}", trusts_us: true}}
retry: {{first: 1s, factor: 1, max: 1s}}
"""
RULES = {
    "10-desk.yaml": """\
rules:
  - name: complaints
    when: {subject: {stem: [skarga, complaint, شكوى], also: [skargi]}}
    then: {label: complaint, respond_within: 4h}
"""
}
ANNA, AMAL = "anna@klient.test", "amal@zabun.test"


class Day:
    """A daemon whose clock begins on a Monday at nine."""

    def __init__(self, daemon: RouterdDaemon, clock: SettableClock) -> None:
        self.daemon = daemon
        self._clock = clock
        self._ahead = MONDAY - datetime.now(UTC)
        self._clock.set(self._ahead)

    def pass_(self, time: timedelta) -> None:
        self._ahead += time
        self._clock.set(self._ahead)

    def until(self, moment: datetime) -> None:
        """To a second before `moment` or less, as the daemon's clock shows it."""
        self.pass_(timedelta(seconds=int((moment - self.now()).total_seconds())))

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def write(self, author: str, to: str, subject: str, text: str, **fields: str) -> str:
        """Gives the Message-ID. A member's is vouched for by the hop that hands it over."""
        message = EmailMessage(policy=SMTP)
        address = author.rpartition("<")[2].rstrip(">")
        if address.endswith("mail.example.com"):
            message["Authentication-Results"] = f"mx.example.com; dmarc=pass header.from={address.partition('@')[2]}"
        message_id = f"<{abs(hash((author, subject, text)))}@{address.partition('@')[2]}>"
        for name, value in {"From": author, "To": to, "Subject": subject, "Message-ID": message_id, **fields}.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)
        with smtplib.SMTP("127.0.0.1", self.daemon.smtp_port, timeout=60) as client:
            client.sendmail(address, [to.rpartition("<")[2].rstrip(">")], message.as_bytes())
        return message_id

    def mails(self, person: str, count: int) -> list[Any]:
        """All that the person got, once it is so many."""
        self.daemon.wait_for_copies(count, person)
        found = [message_from_bytes(raw, policy=default) for raw in self.daemon.copies(person)]
        assert len(found) == count, [str(one["Subject"]) for one in found]
        return found

    def fired(self, count: int) -> list[str]:
        return [str(event["timer"]) for event in self.daemon.wait_for_event("timer_fired", count)]

    def conversations(self) -> list[dict[str, Any]]:
        done = self.daemon.command("conversations", "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


@pytest.fixture
def day(routerd: Callable[..., RouterdDaemon], need: Callable[[str, str], str], tmp_path: Path) -> Day:
    clock = SettableClock(tmp_path, need("cc", "gcc"))
    clock.set(MONDAY - datetime.now(UTC))
    environ = {**clock.environ, "ROUTERD_REHEARSAL": "notices:0.5,timers:0.2,loopback"}
    return Day(routerd(config=CONFIG, rules=RULES, environ=environ), clock)


def reply_to(mail: Any) -> str:
    return str(mail["Reply-To"].addresses[0].addr_spec)


def note_address(mail: Any) -> str:
    return str(mail["X-Routerd-Note"]).removeprefix("<mailto:").removesuffix(">")


class Measured:
    """The time between two things that the test did: between the least that it may be and the most."""

    def __init__(self, begin: tuple[datetime, datetime], end: tuple[datetime, datetime]) -> None:
        self.least, self.most = end[0] - begin[1], end[1] - begin[0]

    def is_(self, seconds: float) -> bool:
        return self.least <= timedelta(seconds=seconds) <= self.most


def test_a_complaint_is_answered_from_a_members_own_mailbox(day: Day) -> None:
    """The customer sees the inbox, in his thread, and nothing from within; his next mail comes to the same member."""
    first = day.write(f"Anna <{ANNA}>", "support@example.com", "Skarga na fakturę", "Proszę o kontakt.")
    (copy,) = day.mails("ewa", 1)
    assert (copy["X-Labels"], copy["X-Assigned-To"]) == ("complaint", "ewa@mail.example.com")
    answer = day.write(
        "Ewa <ewa@mail.example.com>", reply_to(copy), "Odp: Skarga na fakturę", "Już patrzę.", In_Reply_To=first
    )
    (seen,) = day.mails("anna", 1)
    assert seen["From"].addresses[0].addr_spec == "support@example.com"
    assert (seen["In-Reply-To"], seen["Message-ID"]) == (first, answer)
    assert seen.get_content().strip() == "Już patrzę."
    assert not [name for name in seen if re.match(r"(?i)x-|authentication-results", name)]
    day.write(f"Anna <{ANNA}>", "support@example.com", "Re: Skarga na fakturę", "Dziękuję!", References=answer)
    assert day.mails("ewa", 2)[1]["X-Assigned-To"] == "ewa@mail.example.com"
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["owner"]) == ("open", "ewa")


def test_nothing_is_forgotten_over_a_day_and_a_kill(day: Day) -> None:
    """At noon a reminder; at one it is overdue and the lead sees it; at five somebody else owns it; on Tuesday the
    summaries. Each once, whatever is killed in between."""
    day.write(f"أمل <{AMAL}>", "support@example.com", "شكوى", "أين طلبي؟")
    day.mails("ewa", 1)
    day.pass_(3 * HOUR)
    assert day.mails("ewa", 2)[1]["Subject"] == "[reminder] شكوى"
    assert day.fired(1) == ["remind"]  # a kill may cost the log its last moment
    day.daemon.kill9()
    day.pass_(HOUR)
    day.daemon.start()
    assert {str(mail["Subject"]) for mail in day.mails("omar", 2)} == {"شكوى", "[overdue] شكوى"}
    assert day.fired(3) == ["remind", "overdue", "escalate"]
    assert day.daemon.metric("routerd_overdue_total") == 1
    day.daemon.kill9()
    day.daemon.start()
    (conversation,) = day.conversations()
    assert (conversation["owner"], conversation["overdue"]) == ("ewa", True)
    day.pass_(6 * HOUR)
    assert {str(mail["Subject"]) for mail in day.mails("jan", 2)} == {"شكوى", "[note] شكوى"}
    assert day.mails("ewa", 3)[2]["Subject"] == "[overdue] شكوى"
    (conversation,) = day.conversations()
    assert conversation["owner"] == "jan"
    day.pass_(16 * HOUR)
    assert day.mails("jan", 3)[2]["Subject"] == "[summary] 1 open, 1 overdue"
    lead = day.mails("omar", 3)[2]
    assert "Team desk: 1 open, 1 waiting, 1 overdue" in lead.get_content()
    wait_for(lambda: day.daemon.metric("routerd_conversations", state="open") == 1, "a count", 90.0)
    assert [timer for timer in day.fired(5) if timer != "digest"] == ["remind", "overdue", "escalate", "escalate"]


def test_of_two_answers_one_is_held_and_sent_all_the_same(day: Day) -> None:
    """Ewa answers; Jan, who has seen only the customer's mail, gets his back with what was said, and says #send."""
    day.write(f"Anna <{ANNA}>", "support@example.com", "Skarga na fakturę", "Proszę o kontakt.")
    (copy,) = day.mails("ewa", 1)
    note = note_address(copy)
    day.write("Ewa <ewa@mail.example.com>", note, "Re: Skarga na fakturę", "@jan spójrz, proszę")
    (noted,) = day.mails("jan", 1)
    assert noted["Subject"] == "[note] Re: Skarga na fakturę"
    day.write(f"Anna <{ANNA}>", "support@example.com", "Re: Skarga na fakturę", "Halo?", References=copy["Message-ID"])
    second = day.mails("jan", 2)[1]
    day.write("Ewa <ewa@mail.example.com>", reply_to(day.mails("ewa", 2)[1]), "Re: Skarga na fakturę", "Już patrzę.")
    assert len(day.mails("anna", 1)) == 1
    day.write("Jan <jan@mail.example.com>", reply_to(second), "Re: Skarga na fakturę", "Ja też.")
    returned = next(mail for mail in day.mails("jan", 4) if str(mail["Subject"]).startswith("[not sent]"))
    assert len(day.mails("anna", 1)) == 1
    day.write("Jan <jan@mail.example.com>", reply_to(returned), "Re: Not sent", "#send")
    assert [mail.get_content().strip() for mail in day.mails("anna", 2)] == ["Już patrzę.", "Ja też."]


def test_a_member_puts_off_takes_back_and_closes_by_command(day: Day) -> None:
    """What is snoozed comes back in its time; a deputy gets what comes while its owner is away."""
    first = day.write(f"Anna <{ANNA}>", "support@example.com", "Pytanie", "Jak to działa?")
    (copy,) = day.mails("ewa", 1)
    note = note_address(copy)
    day.write("Ewa <ewa@mail.example.com>", note, "Re: Pytanie", "#snooze 2h\n#label +later")
    day.daemon.wait_for_event("message_accepted", 2)
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["labels"]) == ("snoozed", ["later"])
    day.pass_(2 * HOUR)
    assert day.fired(1) == ["wake"]
    assert "[snoozed until now] Pytanie" in {str(mail["Subject"]) for mail in day.mails("ewa", 2)}
    day.write("Ewa <ewa@mail.example.com>", note, "Re: Pytanie", "#away until 2027-03-03 deputy omar")
    day.daemon.wait_for_event("message_accepted", 3)
    day.write(f"Anna <{ANNA}>", "support@example.com", "Re: Pytanie", "Halo?", References=first)
    wait_for(lambda: any(b"Halo" in raw for raw in day.daemon.copies("omar")), "a copy for the deputy", 60.0)


def test_a_conversation_is_given_away_and_closed_by_command(day: Day) -> None:
    """Who gets it by #assign gets what was said so far; #close ends it, and the customer's next mail opens it again for
    the same owner. The customer sees none of it."""
    first = day.write(f"Anna <{ANNA}>", "support@example.com", "Pytanie", "Jak to działa?")
    (copy,) = day.mails("ewa", 1)
    day.write("Ewa <ewa@mail.example.com>", note_address(copy), "Re: Pytanie", "#assign jan\n\nTo twoje.")
    given = {str(mail["Subject"]): mail for mail in day.mails("jan", 3)}
    assert set(given) == {"Pytanie", "[note] Re: Pytanie", "[note] Pytanie"}  # the mail, the note, what happened so far
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["owner"]) == ("open", "jan")
    day.write("Jan <jan@mail.example.com>", note_address(given["Pytanie"]), "Re: Pytanie", "#close")
    day.daemon.wait_for_event("message_accepted", 3)
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["owner"]) == ("closed", "jan")
    day.write(f"Anna <{ANNA}>", "support@example.com", "Re: Pytanie", "Halo?", References=first)
    wait_for(lambda: any(b"Halo" in raw for raw in day.daemon.copies("jan")), "what she wrote", 60.0)
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["owner"]) == ("open", "jan")
    assert day.daemon.copies("anna") == []


def test_the_report_tells_the_day_to_the_second(day: Day) -> None:
    """By the clock and in working hours: one answered within an hour, one within three, one on the next morning."""
    noon = MONDAY + 3 * HOUR

    def doing(author: str, to: str, subject: str, text: str) -> tuple[datetime, datetime]:
        begin = day.now()
        day.write(author, to, subject, text)
        return begin, day.now()

    asked = [doing(f"Anna <{ANNA}>", "support@example.com", "Skarga", "Proszę o kontakt.")]
    asked.append(doing(f"أمل <{AMAL}>", "support@example.com", "شكوى", "أين طلبي؟"))
    copies = {str(mail["Subject"]): mail for mail in day.mails("ewa", 2)}
    ewa = "Ewa <ewa@mail.example.com>"
    day.until(MONDAY + HOUR)
    answered = [doing(ewa, reply_to(copies["Skarga"]), "Re: Skarga", "Już patrzę.")]
    day.until(noon)
    answered.append(doing(ewa, reply_to(copies["شكوى"]), "Re: شكوى", "في الطريق."))
    day.until(MONDAY + 7.5 * HOUR)  # 16:30 in Warsaw, half an hour before the end of the day
    asked.append(doing("Ola <ola@klient.test>", "support@example.com", "Skarga Oli", "Gdzie to jest?"))
    wait_for(lambda: any(b"Gdzie" in raw for raw in day.daemon.copies("ewa")), "her copy", 60.0)
    mails = [message_from_bytes(raw, policy=default) for raw in day.daemon.copies("ewa")]
    late = next(mail for mail in mails if str(mail["Subject"]) == "Skarga Oli")
    day.until(MONDAY + 23.5 * HOUR)  # 8:30 on Tuesday
    answered.append(doing(ewa, reply_to(late), "Re: Skarga Oli", "Już idzie."))
    closing = doing(ewa, note_address(late), "Re: Skarga Oli", "#close")
    assert closing[1] < MONDAY + 24 * HOUR
    day.daemon.wait_for_event("message_accepted", 7)
    done = day.daemon.command("report", "--format", "json", "--since", "2027-03-01", "--by", "label")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    hour, three, night = (Measured(*both) for both in zip(asked, answered, strict=True))
    total = report["total"]
    counts = {name: total[name] for name in ("received", "answered", "waiting", "overdue", "reassigned", "held")}
    assert counts == {"received": 3, "answered": 3, "waiting": 0, "overdue": 0, "reassigned": 0, "held": 0}
    assert total["first_response"]["count"] == 3
    assert three.is_(total["first_response"]["median_seconds"])
    assert night.is_(total["first_response"]["ninetieth_percentile_seconds"])
    assert three.is_(total["first_response_working"]["ninetieth_percentile_seconds"])
    working = timedelta(seconds=total["first_response_working"]["median_seconds"])
    nights = timedelta(hours=15)
    assert hour.least <= working <= hour.most or night.least - nights <= working <= night.most - nights
    assert total["resolution"]["count"] == 1
    assert night.is_(total["resolution"]["median_seconds"])
    (group,) = report["groups"]
    assert (group["name"], group["received"], group["answered"]) == ("complaint", 3, 3)
    assert [(one["day"], one["received"], one["answered"]) for one in report["days"]] == [
        ("2027-03-01", 3, 2),
        ("2027-03-02", 0, 1),
    ]
