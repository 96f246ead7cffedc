"""Days at the desk, by a clock that the test sets: what no kill makes it forget, and what a night adds to figures."""

import json
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from typing import Any

import pytest
from as_received import addr_spec, note_address
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
    """A daemon whose clock begins on a Monday at nine, and stands still but for where the test sets it."""

    def __init__(self, daemon: RouterdDaemon, clock: SettableClock) -> None:
        self.daemon = daemon
        self._clock = clock
        self._now = MONDAY

    def pass_(self, time: timedelta) -> None:
        self.until(self._now + time)

    def until(self, moment: datetime) -> None:
        self._now = moment
        self._clock.stop_at(moment)

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
    clock.stop_at(MONDAY)
    environ = {**clock.environ, "ROUTERD_REHEARSAL": "notices:0.5,timers:0.2,loopback"}
    return Day(routerd(config=CONFIG, rules=RULES, environ=environ), clock)


def spread(count: int, median: timedelta, ninetieth: timedelta) -> dict[str, float]:
    return {
        "count": count,
        "median_seconds": median.total_seconds(),
        "ninetieth_percentile_seconds": ninetieth.total_seconds(),
    }


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


def test_who_gets_what_comes_after_a_close_and_while_its_owner_is_away(day: Day) -> None:
    """What was closed opens again for the same owner; who says that he is away names his deputy himself."""
    first = day.write(f"Anna <{ANNA}>", "support@example.com", "Pytanie", "Jak to działa?")
    note = note_address(day.mails("ewa", 1)[0])
    day.write("Ewa <ewa@mail.example.com>", note, "Re: Pytanie", "#close")
    day.daemon.wait_for_event("message_accepted", 2)
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["owner"]) == ("closed", "ewa")
    day.write(f"Anna <{ANNA}>", "support@example.com", "Re: Pytanie", "Halo?", References=first)
    assert day.mails("ewa", 2)[1]["X-Assigned-To"] == "ewa@mail.example.com"
    (conversation,) = day.conversations()
    assert (conversation["state"], conversation["owner"]) == ("open", "ewa")
    day.write("Ewa <ewa@mail.example.com>", note, "Re: Pytanie", "#away until 2027-03-03 deputy omar")
    day.daemon.wait_for_event("message_accepted", 4)
    day.write(f"Anna <{ANNA}>", "support@example.com", "Re: Pytanie", "Czy jest tam kto?", References=first)
    wait_for(lambda: any(b"jest tam" in raw for raw in day.daemon.copies("omar")), "a copy for the deputy", 60.0)
    assert day.daemon.copies("anna") == []


def test_the_report_tells_the_day_to_the_second(day: Day) -> None:
    """By the clock and in working hours: one answered within an hour, one within three, one on the next morning."""
    day.write(f"Anna <{ANNA}>", "support@example.com", "Skarga", "Proszę o kontakt.")
    day.write(f"أمل <{AMAL}>", "support@example.com", "شكوى", "أين طلبي؟")
    copies = {str(mail["Subject"]): mail for mail in day.mails("ewa", 2)}
    ewa = "Ewa <ewa@mail.example.com>"
    day.until(MONDAY + HOUR)
    day.write(ewa, addr_spec(copies["Skarga"], "Reply-To"), "Re: Skarga", "Już patrzę.")
    day.until(MONDAY + 3 * HOUR)
    day.write(ewa, addr_spec(copies["شكوى"], "Reply-To"), "Re: شكوى", "في الطريق.")
    day.until(MONDAY + 7.5 * HOUR)  # 16:30 in Warsaw, half an hour before the end of the day
    day.write("Ola <ola@klient.test>", "support@example.com", "Skarga Oli", "Gdzie to jest?")
    wait_for(lambda: any(b"Gdzie" in raw for raw in day.daemon.copies("ewa")), "her copy", 60.0)
    mails = [message_from_bytes(raw, policy=default) for raw in day.daemon.copies("ewa")]
    late = next(mail for mail in mails if str(mail["Subject"]) == "Skarga Oli")
    day.until(MONDAY + 23.5 * HOUR)  # 8:30 on Tuesday
    day.write(ewa, addr_spec(late, "Reply-To"), "Re: Skarga Oli", "Już idzie.")
    day.write(ewa, note_address(late), "Re: Skarga Oli", "#close")
    day.daemon.wait_for_event("message_accepted", 7)
    day.pass_(HOUR / 60)
    done = day.daemon.command("report", "--format", "json", "--since", "2027-03-01", "--by", "label")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    total = report["total"]
    counts = {name: total[name] for name in ("received", "answered", "waiting", "overdue", "reassigned", "held")}
    assert counts == {"received": 3, "answered": 3, "waiting": 0, "overdue": 0, "reassigned": 0, "held": 0}
    assert total["first_response"] == spread(3, 3 * HOUR, 16 * HOUR)
    assert total["first_response_working"] == spread(3, HOUR, 3 * HOUR)
    assert total["resolution"] == spread(1, 16 * HOUR, 16 * HOUR)
    assert total["resolution_working"] == spread(1, HOUR, HOUR)
    (group,) = report["groups"]
    assert (group["name"], group["received"], group["answered"]) == ("complaint", 3, 3)
    assert [(one["day"], one["received"], one["answered"]) for one in report["days"]] == [
        ("2027-03-01", 3, 2),
        ("2027-03-02", 0, 1),
    ]
