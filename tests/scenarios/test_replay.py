"""`routerd replay`: old mail through one set of rules, or two."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from peers.readme import README, readme_example
from replay_mail import messages, sample_messages, write_desk, write_maildir, write_mbox

from routerd.cli.main import routerd
from routerd.cli.test import place_by
from routerd.config.load import load_settings
from routerd.message.view import MessageView
from routerd.ops.rules_folder import compile_folder
from routerd.rules.facts import Facts
from routerd.rules.reading.cases import Given

COUNT = 300


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_desk(tmp_path)
    return tmp_path


def replay(*arguments: str | Path) -> Result:
    return CliRunner().invoke(routerd, ["replay", *map(str, arguments)], catch_exceptions=False)


def found(*arguments: str | Path) -> dict[str, Any]:
    result = replay("--json", *arguments)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert isinstance(answer, dict)
    return answer


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def one_by_one(desk: Path, folder: str) -> list[tuple[str, frozenset[str], str | None, bool, frozenset[str]]]:
    """Team or member, labels, priority, held and watchers of each message: a plain loop over the plain functions."""
    settings = load_settings(desk / "routerd.yaml").settings
    assert settings is not None
    ruleset = compile_folder(settings, folder=desk / folder).ruleset
    assert ruleset is not None
    says = []
    for raw in messages(COUNT):
        view = MessageView(raw.replace(b"\n", b"\r\n"))
        to = view.addresses("to")[0].address
        inbox = ruleset.names.inboxes[to]
        facts = Facts(view, "anna@klient.pl", (to,), inbox, ruleset.names.own_addresses, False, Given().at)
        decision = ruleset.decide(facts)
        target = decision.assign.target if decision.assign else ruleset.names.defaults[inbox]
        placed = place_by(settings)((decision,), Given())
        assert placed.owner in (*settings.teams[target].members,)
        priority = decision.priority.value if decision.priority else None
        watchers = frozenset(decision.watch)
        says.append((target, frozenset(decision.labels), priority, decision.hold is not None, watchers))
    return says


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_difference_is_what_a_plain_loop_finds(desk: Path, jobs: str) -> None:
    """Some hundred messages in a Maildir, an mbox and .eml files: every count is that of one by one."""
    mail = messages(COUNT)
    write_maildir(desk / "Maildir", mail[:150])
    write_mbox(desk / "old.mbox", mail[150:250])
    (desk / "more" / "deep").mkdir(parents=True)
    for number, raw in enumerate(mail[250:]):
        (desk / "more" / "deep" / f"{number:03}.eml").write_bytes(raw)
    answer = found("Maildir", "old.mbox", "more", "--against", "new.d", "--jobs", jobs, "--examples", "3")
    before, after = one_by_one(desk, "rules.d"), one_by_one(desk, "new.d")
    pairs = list(zip(before, after, strict=True))
    assert (answer["messages"], answer["broken"], answer["not_ours"]) == (COUNT, 0, 0)
    assert answer["changed"] == sum(was != now for was, now in pairs)
    assert answer["unchanged"] == sum(was == now for was, now in pairs)
    for side, says in (("before", before), ("after", after)):
        assert answer[side]["owners"] == Counter(one[0] for one in says)
        assert answer[side]["labels"] == Counter(label for one in says for label in one[1])
        assert answer[side]["held"] == sum(one[3] for one in says)
        assert answer[side]["never_matched"] == ["10-desk.yaml/never"]
    changed = {"owner": 0, "labels": 1, "priority": 2, "held": 3, "watchers": 4}
    for kind, place in changed.items():
        assert answer["changed_by_kind"][kind] == sum(was[place] != now[place] for was, now in pairs), kind
    moved = {(one["rule"], one["change"]): one["messages"] for one in answer["changes"] if one["kind"] == "owner"}
    to_duty = sum(was[0] == "finance" and now[0] == "duty" and "invoice" in now[1] for was, now in pairs)
    assert moved["10-desk.yaml/invoices", "assigned to duty instead of finance"] == to_duty > 0
    assert sum(moved.values()) == answer["changed_by_kind"]["owner"]


def test_one_process_or_several_say_the_same(desk: Path) -> None:
    """To the byte, examples too; and fewer messages than a piece are no matter."""
    write_maildir(desk / "Maildir", messages(COUNT))
    arguments = ("Maildir", "--against", "new.d", "--examples", "5")
    assert replay(*arguments, "--jobs", "1").stdout == replay(*arguments, "--jobs", "3").stdout
    assert found(*arguments, "--jobs", "2") == found(*arguments, "--jobs", "1")


def test_a_rule_that_no_longer_matches_makes_the_change(desk: Path) -> None:
    """Whoever is next in line gets the message; the rule that let it go is the one to look at."""
    (desk / "1.eml").write_bytes(b"From: a@b.example\nTo: support@example.com\nSubject: faktura i offer\n\nx\n")
    (desk / "2.eml").write_bytes(b"From: a@b.example\nTo: support@example.com\nSubject: faktura\n\nx\n")
    changes = found("1.eml", "2.eml", "--against", "new.d")["changes"]
    owners = [(one["rule"], one["change"], one["examples"][0]["file"]) for one in changes if one["kind"] == "owner"]
    assert owners == [
        ("10-desk.yaml/invoices", "no longer assigned to finance; duty has it by default", "2.eml"),
        ("10-desk.yaml/invoices", "no longer assigned to finance; sales has it", "1.eml"),
    ]


def test_the_same_rules_change_nothing(desk: Path) -> None:
    write_mbox(desk / "old.mbox", messages(20))
    result = replay("old.mbox", "--against", "rules.d")
    assert result.exit_code == 0
    assert "Nothing would change: 20 messages alike" in result.stdout


def test_one_ruleset_alone(desk: Path) -> None:
    """Who gets how much, and which rules met nothing, with their places."""
    write_mbox(desk / "old.mbox", messages(30))
    answer = found("old.mbox")
    assert "after" not in answer
    assert sum(answer["before"]["owners"].values()) == 30
    text = replay("old.mbox").stdout
    assert "Who gets how much" in text
    assert "  rules.d/10-desk.yaml:5  never\n" in text


def test_trials_are_told_apart(desk: Path) -> None:
    """What a rule on trial meets, and what another form of it would, stands in a block of its own with an example."""
    trial = "rules: [{name: t, mode: trial, when: {subject: %s}, then: {label: tried, hold: wait}}]"
    (desk / "rules.d" / "90-trial.yaml").write_text(trial % "nowhere")
    shutil.copytree(desk / "rules.d", desk / "wider.d")
    (desk / "wider.d" / "90-trial.yaml").write_text(
        "rules: [{name: t, mode: trial, when: {always: true}, then: {label: tried}}]"
    )
    write_mbox(desk / "old.mbox", messages(20))
    answer = found("old.mbox", "--against", "wider.d")
    assert answer["changed"] == 0
    (before,), (after,) = answer["before"]["trials"], answer["after"]["trials"]
    assert (before["rule"], before["would"], before["messages"]) == ("90-trial.yaml/t", "label tried, hold (wait)", 0)
    assert (after["would"], after["messages"]) == ("label tried", 20)
    assert after["examples"][0]["file"] == "old.mbox, message 1"
    assert "90-trial.yaml/t" in answer["before"]["never_matched"]
    assert "90-trial.yaml/t" not in answer["after"]["never_matched"]
    lines = [line.rstrip() for line in replay("old.mbox", "--against", "wider.d").stdout.splitlines()]
    place = lines.index("On trial, without effect")
    assert any(line.split()[:5] == ["would", "label", "tried", "0", "20"] for line in lines[place:])


def test_what_is_broken_is_counted_and_named(desk: Path) -> None:
    """An empty file, one that is no mail, one that may not be read or is too large: the others are replayed."""
    write_maildir(desk / "Maildir", messages(6))
    cur = desk / "Maildir" / "cur"
    (cur / "a-empty").touch()
    (cur / "b-no-mail").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (cur / "c-gone").symlink_to("nowhere")
    with (cur / "d-large").open("wb") as opened:
        opened.truncate(60_000_000)
    answer = found("Maildir", "--examples", "10", "--against", "new.d")
    assert (answer["messages"], answer["broken"], answer["changed"] + answer["unchanged"]) == (10, 4, 6)
    assert [(one["file"].rpartition("/")[2], one["reason"]) for one in answer["broken_examples"]] == [
        ("a-empty", "it is empty"),
        ("b-no-mail", "it begins with no header field"),
        ("c-gone", "No such file or directory"),
        ("d-large", "it has 60000000 bytes, more than limits.message_size"),
    ]
    text = replay("Maildir", "--examples", "10").stdout
    assert "4 messages could not be read" in text
    assert "cur/c-gone: No such file or directory" in text


def test_mail_for_others_is_counted(desk: Path) -> None:
    """Delivered-To and X-Original-To name the inbox, too; with --rcpt every message came to it."""
    for number, header in enumerate(
        ("To: x@far.example", "Delivered-To: help@example.com", "X-Original-To: billing+7@example.com")
    ):
        (desk / f"{number}.eml").write_bytes(f"From: a@b.example\n{header}\nSubject: offer\n\nx\n".encode())
    answer = found(desk)
    assert (answer["messages"], answer["not_ours"]) == (3, 1)
    answer = found(desk, "--rcpt", "billing@example.com")
    assert (answer["not_ours"], answer["before"]["owners"]) == (0, {"sales": 3})
    result = replay("0.eml")
    assert "say with --rcpt to whom they came" in result.stdout
    wrong = replay("0.eml", "--rcpt", "x@far.example")
    assert (wrong.exit_code, "is no inbox of ours" in wrong.output) == (2, True)


def test_a_copy_of_ours_was_sent_by_its_author(desk: Path) -> None:
    """Its Return-Path is one of ours: what stood in MAIL FROM when it came is not known any more. Any other is it."""
    (desk / "new.d" / "20-bulk.yaml").write_text(
        "rules: [{name: a, when: {sender: '*@bulk.example'}, then: {label: bulk}}]\n"
    )
    ours = f"support+b.{'a' * 29}@example.com"
    for number, (path, author) in enumerate(
        ((ours, "a@bulk.example"), ("x@bulk.example", "a@b.example"), ("", "a@bulk.example"), (ours, "a@b.example"))
    ):
        (desk / f"{number}.eml").write_bytes(
            f"Return-Path: <{path}>\nFrom: {author}\nTo: support@example.com\nSubject: x\n\nx\n".encode()
        )
    labels = [found(f"{number}.eml", "--against", "new.d")["after"]["labels"] for number in range(4)]
    assert labels == [{"bulk": 1}, {"bulk": 1}, {}, {}]


def test_rules_that_are_wrong_are_said(desk: Path) -> None:
    """With the place in the folder that was named; nothing is replayed."""
    (desk / "new.d" / "20-bad.yaml").write_text("rules: [{name: a, when: {subjct: x}, then: {label: a}}]\n")
    (desk / "1.eml").write_bytes(messages(1)[0])
    result = replay("1.eml", "--against", "new.d")
    assert result.exit_code == 1
    assert "new.d/20-bad.yaml:1:" in result.stderr
    assert not result.stdout


def test_a_subject_does_not_steer_the_terminal(desk: Path) -> None:
    """Control and bidi characters are shown, and markup is text."""
    (desk / "1.eml").write_text(
        "From: a@b.example\nTo: support@example.com\nSubject: offer \x1b[31m \u202e [bold]x[/bold]\n\nx\n"
    )
    text = replay("1.eml", "--against", "new.d").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]x[/bold]" in text.replace("\n", "")


def test_progress_and_colour_on_a_terminal(desk: Path) -> None:
    """The bar is drawn on stderr and gone at the end; the table bears colour and fits the terminal."""
    write_mbox(desk / "old.mbox", messages(50))
    controller, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "90", "LINES": "40", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "routerd.cli.main", "replay", "old.mbox", "--against", "new.d", "--jobs", "1"]
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    said = b""
    while True:
        try:
            said += (piece := os.read(controller, 4096))
        except OSError:  # the other end is closed
            break
        if not piece:
            break
    os.close(controller)
    assert process.wait() == 0
    text = said.decode()
    assert "50/50" in text
    assert "\x1b[" in text
    assert "What would change" in text


def test_ctrl_c_ends_it(desk: Path, wait_until: Callable[..., Any]) -> None:
    """All processes end; how far it came is said, without a traceback; exit as shells have it."""
    write_mbox(desk / "old.mbox", messages(400))
    (desk / "all").mkdir()
    for number in range(40):
        os.link(desk / "old.mbox", desk / "all" / f"{number:02}.mbox")
    heeding = ["env", "--default-signal=INT"]  # where the tests run in a shell's background, they ignore it
    replaying = ["-m", "routerd.cli.main", "replay", "all", "--against", "new.d", "--jobs", "2", "--json"]
    command = [*heeding, sys.executable, *replaying]
    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True)
    os.close(terminal)
    said = b""
    while not re.search(rb"[1-9]\d*/16000", said):  # it is at work
        said += os.read(controller, 4096)
    os.killpg(process.pid, signal.SIGINT)
    while True:
        try:
            said += (piece := os.read(controller, 4096))
        except OSError:
            break
        if not piece:
            break
    os.close(controller)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopped after" in said
    assert b"Traceback" not in said + output
    wait_until(lambda: not is_there(process.pid), "the end of all its processes")


def test_the_readme_shows_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rule beside those of `init`, and its output on the mail of `demo`, over and over."""
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(routerd, ["init", "."], catch_exceptions=False)
    shutil.copytree("rules.d", "next.d")
    rule = readme_example("replayed rule")
    name = rule.partition("\n")[0].removeprefix("# next.d/")
    (tmp_path / "next.d" / name).write_text(rule)
    write_maildir(tmp_path / "Maildir", sample_messages(400))
    printed = replay("Maildir", "--against", "next.d").stdout
    shown = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    if os.environ.get("ROUTERD_WRITE_README"):
        README.write_text(README.read_text().replace(readme_example("replay"), shown))
    assert less_revisions(shown) == less_revisions(readme_example("replay"))


def less_revisions(text: str) -> str:
    """They move with every letter of the sample rules."""
    return re.sub("revision [0-9a-f]{12}", "revision …", text)
