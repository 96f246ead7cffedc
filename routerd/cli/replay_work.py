"""The work of `routerd replay`: old mail through one ruleset or two, in one process or several.

Pieces are tallied where they are worked on and put together in their order, so that the result does not depend on how
many processes there are.
"""

import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

from routerd.config.settings import Settings
from routerd.desk.consider import Office, facts_of, home_first, proofs_of
from routerd.desk.roster import Roster
from routerd.message.address import Address, AddressError, parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, Recipient
from routerd.message.fold import display
from routerd.message.view import MessageView
from routerd.ops.old_mail import BrokenMailError, Place, arrived_at, read_mail
from routerd.ops.rules_folder import compile_saved
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.ruleset import Ruleset
from routerd.rules.trying.replay_diff import Example, RuleBook, Ruled, Tally

PIECE = 100  # messages that a process takes at a time
_AHEAD = 4  # pieces under way for each process
_MAX_SUBJECT = 80  # characters
_NAMED_IN = ("to", "cc", "delivered-to", "x-original-to")
_OUR_SERVERS = Client("", 0, "", Protocol.SMTP, "", trusted=True)


@dataclass(frozen=True, slots=True)
class Job:
    """What every process needs; rules as the bytes of their files, so that all compile the same."""

    settings: Settings
    before: Mapping[str, bytes]
    after: Mapping[str, bytes] | None  # None: one ruleset only
    rcpt: tuple[str, ...]  # RCPT TO of every message; none: what the message names
    max_examples: int


class Replayer:
    """Both rulesets, and what becomes of a message under each."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._before = RuleBook(_compiled(job.settings, job.before))
        self._after = None if job.after is None else RuleBook(_compiled(job.settings, job.after))
        self._office = Office(job.settings, Roster(job.settings), self._before.ruleset)
        self._recipients: dict[str, Recipient | None] = {}  # of our own domains only, so it stays small

    def tally(self, places: Iterable[Place]) -> Tally:
        tally = Tally(self._job.max_examples)
        for place in places:
            self._add(place, tally)
        return tally

    def _add(self, place: Place, tally: Tally) -> None:
        try:
            raw, written_at = read_mail(place, self._job.settings.limits.message_size)
            view = MessageView(raw, text_limit=self._job.settings.limits.rule_text)
            recipients = self._recipients_of(view)
            if not recipients:
                tally.add_not_ours()
                return
            envelope = Envelope(_sender_of(view, self._office.roster), recipients)
            # What our own servers wrote into it when it came is believed now as it was then.
            proofs = proofs_of(view, _OUR_SERVERS, self._office)
            facts = facts_of(view, envelope, _OUR_SERVERS, arrived_at(view, written_at), self._office, proofs)
            homes = home_first(view, envelope, self._office.roster)
            at_inboxes = [facts.at_inbox(inbox, _given(envelope, inbox)) for inbox, _ in homes]
            before = _ruled(self._before, at_inboxes)
            after = _ruled(self._after, at_inboxes) if self._after else None
            example = Example(display(view.subject, _MAX_SUBJECT), str(place))
        except (BrokenMailError, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
            tally.add_broken(Example(reason, str(place)))
        except Exception as error:  # one message must not end the work on a million
            tally.add_broken(Example(f"{type(error).__name__}: {error}", str(place)))
        else:
            tally.add(before, after, example)

    def _recipients_of(self, view: MessageView) -> tuple[Recipient, ...]:
        named = self._job.rcpt or (mailbox.address for name in _NAMED_IN for mailbox in view.addresses(name))
        found = {recipient.inbox: recipient for recipient in map(self._recipient, named) if recipient}
        return tuple(found.values())

    def _recipient(self, text: str) -> Recipient | None:
        inbox = self._office.roster.inbox_of(text.lower())
        if inbox is None:
            return None
        address = _parsed(text)
        return Recipient(address, Purpose.INBOX, inbox) if address else None


def _parsed(text: str) -> Address | None:
    try:
        return parse_address(text, utf8=True)
    except AddressError:
        return None


def _compiled(settings: Settings, files: Mapping[str, bytes]) -> Ruleset:
    ruleset = compile_saved(settings, files, "").ruleset
    if ruleset is None:
        raise ValueError("these files were compiled before")
    return ruleset


def _ruled(book: RuleBook, at_inboxes: Iterable[Facts]) -> Ruled:
    decisions: list[Decision] = [book.ruleset.decide(facts) for facts in at_inboxes]
    return book.ruled(decisions)


def _given(envelope: Envelope, inbox: str) -> tuple[str, ...]:
    return tuple(str(recipient.address) for recipient in envelope.recipients if recipient.inbox == inbox)


def _sender_of(view: MessageView, roster: Roster) -> str:
    """MAIL FROM as the last hop wrote it down (RFC 5321 4.4), else From. Of a copy of ours it is not known any more:
    the hop had a return path of an inbox."""
    author = view.author.address if view.author else ""
    if not view.header("return-path"):
        return author
    sender = next((mailbox.address for mailbox in view.addresses("return-path")), "")
    return author if roster.inbox_of(sender) is not None else sender


def replay(job: Job, places: Iterator[Place], processes: int) -> Generator[tuple[int, Tally], None, None]:
    """Gives, piece by piece in their order, how many messages it had and its tally.

    Closing the generator, or an exception in it, ends the processes.
    """
    pieces = iter(lambda: tuple(islice(places, PIECE)), ())
    if processes == 1:
        replayer = Replayer(job)
        for piece in pieces:
            yield len(piece), replayer.tally(piece)
        return
    # Spawned, not forked: a fork would take along half of whatever threads hold here.
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (job,)) as pool:
        under_way: deque[tuple[int, Future[Tally]]] = deque()
        try:
            for piece in pieces:
                with _interrupts_wait():
                    under_way.append((len(piece), pool.submit(_work, piece)))
                if len(under_way) >= processes * _AHEAD:
                    size, tallied = under_way.popleft()
                    yield size, tallied.result()
            while under_way:
                size, tallied = under_way.popleft()
                yield size, tallied.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_replayers: list[Replayer] = []  # of a process that works for `replay`: one, made when it begins


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Processes begun within never see Ctrl-C, which goes to all of a terminal: the first process ends the others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(job: Job) -> None:
    _replayers.append(Replayer(job))


def _work(piece: tuple[Place, ...]) -> Tally:
    return _replayers[0].tally(piece)
