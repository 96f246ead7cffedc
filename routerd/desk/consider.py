"""Steps 2 to 5 of a message's way, as far as they need nothing but the message and the config: what the rules say of it
for each inbox, and whether it was here before. `explain` asks the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from routerd.auth.our_results import our_results
from routerd.auth.results import AuthResults, MethodResult, believed_results
from routerd.config.settings import Settings
from routerd.desk.plan import Author, Conversation, ConversationId, ConversationState, Standing, Voice
from routerd.desk.roster import Roster
from routerd.message.envelope import Client, Envelope, Purpose
from routerd.message.token import NOTICE, is_own_trace
from routerd.message.view import MessageView
from routerd.rules.conditions.proofs import TEMPORARY
from routerd.rules.decision import Assign, Decision, RuleRef
from routerd.rules.facts import ConversationFacts, DnsLists, Facts, Seen
from routerd.rules.ruleset import Ruleset

MAX_HOPS = 50  # RFC 5321 6.3: loops are found by counting Received
MAX_TRACES = 10  # we leave one; more are somebody's noise
BOUNCE_LABEL = "bounce"
_OF_MACHINES = frozenset(("auto", "bounce", "bulk", "list"))


@dataclass(frozen=True)
class Office:
    """The config, its people and its rules: what a decision is made from, beside the message."""

    settings: Settings
    roster: Roster
    ruleset: Ruleset


def decide(facts: Facts, envelope: Envelope, office: Office) -> tuple[Decision, ...]:
    """For each inbox its decision, the home inbox's first. `facts`: as `facts_of` gives them."""
    return tuple(
        _ruled_by(purpose, office.settings.postmaster, inbox, envelope.sender)
        or office.ruleset.decide(
            facts.at_inbox(inbox, tuple(str(r.address) for r in envelope.recipients if r.inbox == inbox))
        )
        for inbox, purpose in home_first(facts.view, envelope, office.roster)
    )


def facts_of(
    view: MessageView,
    envelope: Envelope,
    client: Client,
    at: datetime,
    office: Office,
    conversation: Conversation | None = None,
) -> Facts:
    """The facts but for the inbox, to be read by `Facts.at_inbox`.

    `client`: who handed it over. `conversation`: the known one that it belongs to.
    """
    results = _results(view, client, office)
    return Facts(
        view,
        envelope.sender,
        (),
        "",
        office.roster.own_addresses,
        internal=_is_internal(view, client, results, office.roster),
        at=at,
        results=results.by_method,
        dnsbl=DnsLists(client.findings.listed_in, client.findings.unanswered),
        conversation=_known_so_far(conversation, at) if conversation else None,
        delimiter=office.settings.addresses.delimiter,
    )


def comes_from_member(view: MessageView, client: Client, office: Office) -> bool | None:
    """Whether a member wrote it, and that is proven; None: it could not be told then."""
    return _is_internal(view, client, _results(view, client, office), office.roster)


def verified_by_us(client: Client, roster: Roster) -> tuple[MethodResult, ...]:
    """What we found out of the client ourselves. Who logged in and is no member any more has proven nothing."""
    logged_in = roster.member(client.member) if client.member is not None else None
    return our_results(client, str(logged_in.mailbox) if logged_in else None)


def _results(view: MessageView, client: Client, office: Office) -> AuthResults:
    ours = verified_by_us(client, office.roster)
    return believed_results(view, client.trusted, office.settings.authserv_ids, ours)


def _is_internal(view: MessageView, client: Client, results: AuthResults, roster: Roster) -> bool | None:
    """A login with us stands for all addresses of its member, one that a hop tells of for that address alone."""
    author = view.author.address if view.author else ""
    member = roster.member_with(author)
    if member is None:
        return False
    if results.authenticates(author) or (client.member == member and results.author == author):
        return True
    return None if results.result("dmarc") == TEMPORARY else False


def author_of(facts: Facts, envelope: Envelope, roster: Roster) -> Author:
    """Who wrote it, and what it is to its conversation.

    In a known conversation a member's message that goes to somebody outside is an answer, any other an aside.
    """
    view = facts.view
    customer = next(iter(Seen(facts).addresses("customer")), None)
    if not envelope.sender or not view.kinds.isdisjoint(_OF_MACHINES):
        return Author(Voice.ASIDE, customer)
    if facts.conversation is None or not facts.internal:
        return Author(Voice.CUSTOMER, customer)
    others = (mailbox.address for name in ("to", "cc") for mailbox in view.addresses(name))
    reaches_out = any(roster.inbox_of(other) is None and roster.member_with(other) is None for other in others)
    return Author(Voice.MEMBER if reaches_out else Voice.ASIDE, customer)


def _known_so_far(conversation: Conversation, at: datetime) -> ConversationFacts:
    standing = conversation.standing
    return ConversationFacts(
        owner=conversation.owner,
        team=conversation.team,
        labels=frozenset(standing.labels),
        state=standing.state,
        messages=standing.messages,
        waiting=max(at - standing.waiting_since, timedelta(0)) if standing.waiting_since else None,
    )


def conversation_of(facts: ConversationFacts, inbox: str, at: datetime) -> Conversation:
    """The known conversation that `facts` tell of at `at`, as it would stand in the store; it lives in `inbox`."""
    begin = datetime.min.replace(tzinfo=UTC)
    standing = Standing(
        labels=tuple(sorted(facts.labels)),
        messages=facts.messages,
        state=ConversationState(facts.state),
        waiting_since=at - min(facts.waiting, at - begin) if facts.waiting is not None else None,
    )
    return Conversation(ConversationId(1), inbox, facts.owner, facts.team, version=1, standing=standing)


def home_first(view: MessageView, envelope: Envelope, roster: Roster) -> list[tuple[str, Purpose]]:
    """Each inbox of the envelope once: the one that To or Cc names first, then in the order of RCPT.

    What comes to the inbox itself is not turned into a bounce by naming a return path of it, too.
    """
    purposes: dict[str, Purpose] = {}
    for recipient in envelope.recipients:
        if recipient.purpose is Purpose.INBOX or recipient.inbox not in purposes:
            purposes[recipient.inbox] = recipient.purpose
    if len(purposes) == 1:
        return list(purposes.items())
    named = (roster.inbox_of(mailbox.address) for name in ("to", "cc") for mailbox in view.addresses(name))
    home = next((inbox for inbox in named if inbox in purposes), None)
    inboxes = purposes if home is None else dict.fromkeys([home, *purposes])
    return [(inbox, purposes[inbox]) for inbox in inboxes]


def passed_inboxes(view: MessageView, key: bytes, inboxes: Iterable[str], envelope: Envelope) -> frozenset[str]:
    """The inboxes, and addresses of the envelope, for which we handled the message before, by its own proof.

    Seen before anything is cut. What we wrote ourselves is for none of them.
    """
    traces = view.headers.raw_values("x-routerd-trace")[:MAX_TRACES]
    if not traces:
        return frozenset()
    asked = {*inboxes, *(recipient.inbox for recipient in envelope.recipients)}
    if any(is_own_trace(trace, key, NOTICE) for trace in traces):
        return frozenset(asked)
    return frozenset(inbox for inbox in asked if any(is_own_trace(trace, key, inbox) for trace in traces))


def is_notice(view: MessageView, envelope: Envelope) -> bool:
    """What another routerd writes to its postmaster. Of its trouble nobody is told here: two that are each other's
    postmaster would tell each other for ever.
    """
    fields = view.headers
    return (
        not envelope.sender
        and bool(fields.raw_values("x-routerd-trace"))
        and any(value.strip().lower() == b"auto-generated" for value in fields.raw_values("auto-submitted"))
    )


def loops(view: MessageView, envelope: Envelope, passed: frozenset[str]) -> bool:
    """Whether it comes back to an inbox that it passed, or has come over too many hops."""
    return view.received_count > MAX_HOPS or any(
        recipient.inbox in passed for recipient in envelope.recipients if recipient.purpose is not Purpose.RETURN_PATH
    )


def _ruled_by(purpose: Purpose, postmaster: str, inbox: str, sender: str) -> Decision | None:
    """Rules read mail that comes to inboxes; what comes to other addresses of ours is the postmaster's."""
    match purpose:
        case Purpose.INBOX:
            return None
        case Purpose.POSTMASTER:
            return Decision(inbox, assign=Assign(postmaster, RuleRef("routerd", "postmaster")))
        case Purpose.RETURN_PATH | Purpose.WRAPPED:
            labels = (BOUNCE_LABEL,) if not sender else ()  # a bounce comes from nobody (RFC 3464 2)
            return Decision(inbox, assign=Assign(postmaster, RuleRef("routerd", "return-path")), labels=labels)
