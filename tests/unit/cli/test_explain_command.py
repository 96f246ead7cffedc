"""`routerd explain`: what it says of options and files that are wrong."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import click.testing
import pytest

from routerd.cli.explain import command
from routerd.cli.paragraphs import columns_of
from routerd.desk.changes import Absence, AbsenceSource
from routerd.desk.plan import Plan
from routerd.message.annotation import Annotation
from routerd.store.base import Deed, Settled
from routerd.store.sqlite import open_store

CONFIG = """\
hostname: mx1.example.com
state: state
postmaster: ewa
members: {ewa: {mailbox: ewa@example.com}}
inboxes: {support@example.com: {default: ewa}}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
"""
MESSAGE = b"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: x\r\n\r\nHello\r\n"


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routerd.yaml").write_text(CONFIG)
    (tmp_path / "rules.d").mkdir()
    path = tmp_path / "mail.eml"
    path.write_bytes(MESSAGE)
    return path


def explain(*arguments: str | Path) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def test_a_state_that_does_not_exist_yet_is_no_matter(mail: Path) -> None:
    """Before the first run, rotations are at their start, and nothing is said of it or made."""
    result = explain(mail)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "owner     ewa" in result.stdout
    assert not (mail.parent / "state").exists()


def test_a_state_that_cannot_be_read_is_said(mail: Path) -> None:
    (mail.parent / "state").touch()
    result = explain(mail)
    assert result.exit_code == 0
    assert f"{mail.parent}/state is not a folder" in result.stderr


def test_an_empty_file_is_said(mail: Path) -> None:
    mail.write_bytes(b"\r\n\n")
    result = explain(mail, "--rcpt", "support@example.com")
    assert (result.exit_code, result.output) == (2, f"{mail} is empty\n")


@pytest.mark.parametrize("sender", ["", "<>", "bob@far.test", "<bob@far.test>"])
def test_from_is_an_address_or_the_null_sender(mail: Path, sender: str) -> None:
    assert explain(mail, "--from", sender).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--from", "bob"),
        ("--from", "a\nb@far.test"),
        ("--at", "yesterday"),
        ("--at", "2026-11-23T09:00"),
        ("--at", "0001-01-01T00:00+14:00"),
        ("--at", "0001-01-01T00:00Z"),
        ("--at", "9999-12-31T23:59-12:00"),
    ],
)
def test_a_value_that_cannot_be_is_wrong_usage(mail: Path, option: str, value: str) -> None:
    """Named with its option; never a traceback."""
    result = explain(mail, option, value)
    assert result.exit_code == 2
    assert f"Invalid value for {option}" in result.output.replace("'", "")
    assert "Traceback" not in result.output


def test_a_file_that_is_not_there_is_wrong_usage(mail: Path) -> None:
    assert explain(f"{mail}{os.sep}x").exit_code == 2
    assert explain(mail.parent).exit_code == 2


RULES = """\
rules:
  - {name: greets, when: {body: hell}, then: {label: greeting}}
  - {name: tried, mode: trial, when: {subject: x}, then: {assign: ewa}}
  - {name: nearly, when: {subject: x, from: other.example}, then: {label: y}}
  - {name: stops, when: {always: true}, then: {stop: true}}
  - {name: behind, when: {always: true}, then: {label: z}}
"""


@pytest.fixture
def ruled(mail: Path) -> Path:
    (mail.parent / "rules.d" / "a.yaml").write_text(RULES)
    mail.write_bytes(MESSAGE.replace(b"Hello", b"Well, Hello \x1b[2J there"))
    return mail


def test_each_rule_with_its_reasons(ruled: Path) -> None:
    """Words in their context, what a trial would do, what was nearly met, what a `stop` kept away."""
    result = explain(ruled)
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert "+ a.yaml/greets  (rules.d/a.yaml:2:5)" in lines
    assert "label greeting" in lines
    assert "«Well, [Hello] <U+001B>[2J there»" in lines
    assert "on trial: would assign ewa" in lines
    assert "from is anna@klient.pl" in lines
    assert "near miss: all but `from other.example` held" in lines
    assert "- a.yaml/behind  not reached: a.yaml/stops stops this file" in lines
    assert lines.index("near miss: all but `from other.example` held") > lines.index("always true")
    assert "\x1b" not in result.stdout


def test_colour_only_where_it_is_wanted(ruled: Path) -> None:
    """On a terminal the mark is coloured and what was found is bold; the sender's own escapes are not passed on."""
    runner = click.testing.CliRunner()
    text = runner.invoke(command, [str(ruled)], color=True, catch_exceptions=False).stdout
    assert "\x1b[1m[Hello]\x1b[0m" in text
    assert "\x1b[2J" not in text


def test_json_has_all_of_it(ruled: Path) -> None:
    found = json.loads(explain(ruled, "--json").stdout)
    rules = {one["rule"].partition("/")[2]: one for one in found["inboxes"][0]["rules"]}
    assert rules["greets"]["evidence"] == [
        {
            "field": "body",
            "found": "Hello",
            "term": "contains hell",
            "context": ["Well, ", "Hello", " <U+001B>[2J there"],
        }
    ]
    assert (rules["greets"]["does"], rules["tried"]["reason"]) == ("label greeting", "would assign ewa")
    assert (rules["nearly"]["near_miss"], rules["behind"]["outcome"]) == (
        "all but `from other.example` held",
        "not reached",
    )
    assert rules["nearly"]["failing"][0]["saw"] == "from is anna@klient.pl"


def test_of_many_rules_those_that_matter(ruled: Path) -> None:
    """What matched, nearly matched or is on trial; the others are counted, and listed with --all."""
    more = "".join(
        f"  - {{name: r{number}, when: {{subject: zzz{number}}}, then: {{label: y}}}}\n" for number in range(100)
    )
    (ruled.parent / "rules.d" / "b.yaml").write_text(f"rules:\n{more}")
    text = explain(ruled).stdout
    assert "and 61 more that did not match (--all lists them)" in text
    assert any(line.split() == ["-", "b.yaml/r7", "subject", "contains", "zzz7"] for line in text.splitlines())
    assert "b.yaml/r77 " not in text
    assert "a.yaml/nearly" in text
    assert "`subject contains zzz77` does not hold: subject has" in explain(ruled, "--all").stdout


CONVERSED = """\
rules:
  - {name: long, when: {conversation: {waiting: {over: 2d}}}, then: {label: late, respond_within: 1h}}
  - {name: moved, when: {conversation: {label: legal}}, then: {assign: bob, reassign: true}}
"""


@pytest.fixture
def conversed(mail: Path) -> Path:
    config = CONFIG.replace(
        "{ewa: {mailbox: ewa@example.com}}", "{ewa: {mailbox: ewa@a.example}, bob: {mailbox: bob@a.example}}"
    )
    config += "limits_of_rules: [{files: '*', actions: [all]}]\n"
    config += "teams: {legal: {members: [bob], calendar: office}}\n"
    config += "calendars: {office: {zone: Europe/Warsaw, days: [mon-fri], hours: '08:00-17:00'}}\n"
    (mail.parent / "routerd.yaml").write_text(config)
    (mail.parent / "rules.d" / "a.yaml").write_text(CONVERSED)
    return mail


@pytest.mark.parametrize("said", ["owner: bob, team: legal, waiting: 3d", "{owner: bob, team: legal, waiting: 3d}"])
def test_a_conversation_may_be_given(conversed: Path, said: str) -> None:
    """As in a test's `given`; the owner is that of the conversation, and a deadline is told by his team's clock."""
    result = explain(conversed, "--at", "2026-11-20T16:30+01:00", "--conversation", said)
    lines = result.stdout.splitlines()
    assert "joins     a conversation: owner bob of legal, open, 1 message, waiting 3d" in lines
    assert "accepted  fri 2026-11-20 16:30 Europe/Warsaw" in lines
    assert "owner     bob (team legal)" in lines
    assert "respond   by mon 2026-11-23 08:30 Europe/Warsaw" in lines
    found = json.loads(explain(conversed, "--json", "--conversation", said).stdout)
    assert (found["conversation"]["owner"], found["conversation"]["waiting_seconds"]) == ("bob", 3 * 86_400)


async def test_who_said_that_he_is_away_is_not_picked(conversed: Path) -> None:
    """The state's absences count as the config's do."""
    config = conversed.parent / "routerd.yaml"
    config.write_text(config.read_text().replace("ewa@a.example}", "ewa@a.example, deputy: bob}"))
    at = datetime.now(UTC)
    gone = Plan(
        "support@example.com",
        "ewa",
        None,
        "",
        absences=(Absence("ewa", AbsenceSource.COMMAND, at, deputy="bob", until=None),),
    )
    store = open_store(conversed.parent / "state")
    await store.act(Deed(None, at, lambda _: Settled(gone, Annotation("", "", "", ""), ())))
    await store.close()
    assert "bob, deputy of ewa who is away" in explain(conversed).stdout


def test_a_rule_may_move_a_given_conversation(conversed: Path) -> None:
    """What `reassign` does there is shown."""
    text = explain(conversed, "--conversation", "owner: ewa, label: [legal]").stdout
    assert "owner: bob, reassigned from ewa by moved" in text


@pytest.mark.parametrize("said", ["", "x", "owner: nobody", "owner: ewa, state: lost", "owner: [", "owner: ewa}", "\0"])
def test_a_conversation_that_cannot_be_is_wrong_usage(conversed: Path, said: str) -> None:
    result = explain(conversed, "--conversation", said)
    assert result.exit_code == 2
    assert "Invalid value for --conversation" in result.output


@pytest.mark.parametrize("columns", [40, 80, 100, 140])
def test_lines_fit_the_terminal(ruled: Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folded between words under what they belong to, or cut; wide letters count twice; nothing is lost of a reason."""
    subject = " ".join(["x", *["quite", "long", "再配達のお願い"] * 12])
    ruled.write_bytes(MESSAGE.replace(b"Subject: x", f"Subject: {subject}".encode()))
    monkeypatch.setattr("routerd.cli.explain.terminal_width", lambda: columns)
    lines = explain(ruled).stdout.splitlines()
    assert max(map(columns_of, lines)) <= columns
    end = next(number for number, line in enumerate(lines) if line.startswith("accepted"))
    assert " ".join(line[10:] for line in lines[:end]) == f"subject   {subject}"[10:]
