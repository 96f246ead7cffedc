"""`routerd explain FILE.eml`: what the daemon would do with a message, and why; by the daemon's own code."""

import ipaddress
import re
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

import click

from routerd.cli.explain_report import Explained, explained_as_json, explained_as_text
from routerd.cli.options import (
    EXIT_FOUND_WRONG,
    EXIT_UNUSABLE,
    config_option,
    fit_to_print,
    load_or_exit,
    print_problems,
)
from routerd.cli.paragraphs import terminal_width
from routerd.cli.rules_here import compile_here
from routerd.cli.state import reading_state
from routerd.cli.test import QuietDesk
from routerd.config.settings import Settings
from routerd.config.yaml_source import read_yaml
from routerd.considering import thread_keys
from routerd.delivery.routes import Routes
from routerd.desk.assign import assign
from routerd.desk.consider import author_of, conversation_of, decide, facts_of, home_first, proofs_of
from routerd.desk.plan import Conversation, DeskState, Twin
from routerd.desk.roster import Roster
from routerd.intake.recipients import Directory
from routerd.message.address import AddressError, parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Recipient
from routerd.message.key_ring import KeyRing
from routerd.message.view import MessageView
from routerd.rules.decision import Decision
from routerd.rules.explaining.explain import explain_decision
from routerd.rules.facts import ConversationFacts
from routerd.rules.reading.conversation import read_given_conversation
from routerd.rules.reading.reader import Reader
from routerd.rules.ruleset import Ruleset
from routerd.settling import Live
from routerd.store.base import StoreError, StoreMissingError

_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Moment(click.ParamType[datetime]):
    """An ISO 8601 moment with its offset, such as 2026-11-23T09:00+01:00."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a moment; write it as 2026-11-23T09:00+01:00", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no offset; write it with one, such as {value}+01:00, or {value}Z", param, ctx)
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR:  # what is reckoned from it must have a date too
            self.fail(f"{value!r} is not between {_FIRST_YEAR} and {_LAST_YEAR}", param, ctx)
        return at.astimezone(UTC)


class _Circumstances(TypedDict):
    """What else is said of the message."""

    rcpt: tuple[str, ...]
    sender: str | None
    client: str | None
    at: datetime | None
    conversation: str | None


@click.command("explain")
@click.argument(
    "file", metavar="FILE.eml", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@config_option
@click.option(
    "--rcpt", multiple=True, metavar="ADDRESS", help="RCPT TO; may be repeated [default: inboxes in To and Cc]."
)
@click.option(
    "--from", "sender", metavar="ADDRESS", help='MAIL FROM; "" is the null sender [default: the From address].'
)
@click.option("--client", metavar="IP", help="The client's address: trusted_networks go by it [default: a stranger].")
@click.option("--at", type=Moment(), help="When it is accepted [default: now].")
@click.option(
    "--conversation",
    metavar="'owner: NAME, …'",
    help="The known conversation that it belongs to, as in a test's given [default: what the state says].",
)
@click.option("--all", "list_all", is_flag=True, help="List the rules that did not match, too, however many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print it all as JSON.")
def command(file: Path, config: Path | None, list_all: bool, as_json: bool, **given: Unpack[_Circumstances]) -> None:
    """Explain what would happen to a message: its owner, its labels, and each rule's reasons."""
    settings = load_or_exit(config)
    compiled = compile_here(settings)
    if compiled.ruleset is None:
        print_problems(compiled.problems)
        sys.exit(EXIT_FOUND_WRONG)
    live = Live(settings, Roster(settings), compiled.ruleset, Routes(settings))
    raw = _BARE_LF.sub(b"\r\n", sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    now = given["at"] or datetime.now(UTC)
    if not raw.strip():
        click.echo(fit_to_print(f"{file} is empty"), err=True)
        sys.exit(EXIT_UNUSABLE)
    author = MessageView(raw).author
    sender = _sender(given["sender"]) if given["sender"] is not None else author.address if author else ""
    envelope = Envelope(sender, _recipients(raw, given["rcpt"], live, now))
    known = _conversation(given["conversation"], live.ruleset)
    explained = explain(raw, envelope, _client(given["client"], settings), now, live, known)
    click.echo(explained_as_json(explained) if as_json else explained_as_text(explained, list_all, terminal_width()))


def explain(
    raw: bytes, envelope: Envelope, client: Client, at: datetime, live: Live, known: ConversationFacts | None = None
) -> Explained:
    """Steps 2 to 6 as the daemon takes them, on the desk's state as it is now; nothing is written.

    `known`: what is taken for the conversation in place of that in the state.
    """
    view = MessageView(raw, text_limit=live.settings.limits.rule_text)
    proofs = proofs_of(view, client, live)
    thread = thread_keys(view, envelope, client, live, proofs)
    with ExitStack() as stack:
        state: DeskState = QuietDesk()
        roster = live.roster
        try:
            stored = stack.enter_context(reading_state(live.settings.state))
            stored_state = stored.desk_state(thread, at)
            state, roster = stored_state, roster.with_absences(stored_state.absences())
        except StoreMissingError:
            pass  # the daemon never ran here: rotations are at their start
        except StoreError as error:
            reason = f"the state could not be read, so rotations are taken as at their start: {error}{error.mend}"
            click.echo(fit_to_print(reason), err=True)
        before = state.twin.queue_id if state.twin else None
        anew = _AsNew(state)
        if known is not None:
            home, _ = home_first(view, envelope, live.roster)[0]
            anew.conversation = conversation_of(known, home, at)
        facts = facts_of(view, envelope, client, at, live, proofs, anew.conversation)
        decisions = decide(facts, envelope, live)
        author = author_of(facts, envelope, live.roster)
        plan = assign(decisions, roster, anew, at, lambda members: members[0], author)
    rules = tuple(
        (
            decision.inbox,
            explain_decision(live.ruleset, facts.at_inbox(decision.inbox, _given(envelope, decision)), decision),
        )
        for decision in decisions
    )
    hours = live.roster.working_hours(plan.owner, plan.team)
    zone = hours.zone if hours else ZoneInfo("UTC")
    return Explained(view, at, zone, facts.conversation, decisions, plan, rules, before)


def _conversation(text: str | None, ruleset: Ruleset) -> ConversationFacts | None:
    """As a test's `given: {conversation: …}` says it, with or without its braces. Raises click.BadParameter."""
    if text is None:
        return None
    written = text if text.lstrip().startswith("{") else f"{{{text}}}"
    document = read_yaml("", written.encode(errors="replace"))
    reader = Reader()
    known = None
    if document.root is not None:
        known = read_given_conversation(reader, ruleset.names, document.root)
    problems = (*document.problems, *reader.problems)
    if problems or known is None:
        wrong = "; ".join(problem.message for problem in problems) or "it is empty"
        raise click.BadParameter(f"{wrong}; write it as 'owner: jan, state: closed'", param_hint="--conversation")
    return known


class _AsNew:
    """The desk's state for a message that may have come before: explained as if it came for the first time."""

    def __init__(self, state: DeskState) -> None:
        self.twin: Twin | None = None
        self.conversation: Conversation | None = None if state.twin else state.conversation
        self.last_turn = state.last_turn
        self.load = state.load
        self.last_owner = state.last_owner


def _given(envelope: Envelope, decision: Decision) -> tuple[str, ...]:
    return tuple(str(recipient.address) for recipient in envelope.recipients if recipient.inbox == decision.inbox)


def _recipients(raw: bytes, rcpt: tuple[str, ...], live: Live, now: datetime) -> tuple[Recipient, ...]:
    """Those given, or the inboxes that To and Cc name; exits where there is none."""
    directory = Directory(live.settings, KeyRing.begun(b""))
    view = MessageView(raw)
    named = rcpt or tuple(mailbox.address for name in ("to", "cc") for mailbox in view.addresses(name))
    found: dict[str, Recipient] = {}
    for text in named:
        try:
            answer = directory.look_up(parse_address(text, utf8=True), now)
        except AddressError as error:
            if rcpt:
                raise click.BadParameter(f"{text!r}: {error}", param_hint="--rcpt") from None
            continue
        if isinstance(answer, Recipient):
            found[answer.address.key] = answer
        elif rcpt:
            raise click.BadParameter(f"{text!r} is no inbox of ours", param_hint="--rcpt")
    if not found:
        click.echo("neither To nor Cc names an inbox of ours: say with --rcpt to whom the message came", err=True)
        sys.exit(EXIT_UNUSABLE)
    return tuple(found.values())


def _sender(text: str) -> str:
    """What MAIL FROM would say; "" is the null sender. Raises click.BadParameter."""
    bare = text.removeprefix("<").removesuffix(">")
    if not bare:
        return ""
    try:
        return str(parse_address(bare, utf8=True))
    except AddressError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--from") from None


def _client(text: str | None, settings: Settings) -> Client:
    """Who hands it over. DNS is not asked about it."""
    if text is None:
        return Client("", 0, "", Protocol.SMTP, "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address", param_hint="--client") from None
    trusted = any(address in network for network in settings.trusted_networks)
    return Client(text, 0, "", Protocol.SMTP, "", trusted=trusted)
