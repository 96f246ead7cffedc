"""Steps 2 to 5 of a message's way, as far as they need nothing but the message and the config: what the rules say of it
for each inbox, and whether it was here before. `explain` asks the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from routerd.auth.addressees import proves_addressees
from routerd.auth.our_results import our_results
from routerd.auth.results import AuthResults, MethodResult, believed_results
from routerd.auth.verification import NOT_VERIFIED, Verification
from routerd.config.auth_settings import DmarcPolicy
from routerd.config.settings import Settings
from routerd.desk.dmarc_policy import after_dmarc
from routerd.desk.hearing import is_of_machine
from routerd.desk.own_labels import AUTOMATIC, BOUNCE
from routerd.desk.plan import Author, Conversation, ConversationId, ConversationState, Standing, Voice
from routerd.desk.roster import Roster
from routerd.desk.said import Speaker
from routerd.message.address import AddressError, parse_address
from routerd.message.bounce import is_by_server
from routerd.message.envelope import Client, Envelope, Purpose
from routerd.message.key_ring import Keys
from routerd.message.kinds import OF_MACHINES
from routerd.message.token import NOTICE, is_own_trace
from routerd.message.view import MessageView
from routerd.rules.conditions.proofs import TEMPORARY
from routerd.rules.decision import Assign, Decision, RuleRef
from routerd.rules.facts import NOT_LISTED, ConversationFacts, DnsLists, Facts, customer_of
from routerd.rules.ruleset import Ruleset

MAX_HOPS = 50  # RFC 5321 6.3: loops are found by counting Received
MAX_TRACES = 10  # we leave one; more are somebody's noise
MAX_OUTSIDE = 50  # addresses that an answer may go to
MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True)
class Office:
    """The config, its people and its rules: what a decision is made from, beside the message."""

    settings: Settings
    roster: Roster
    ruleset: Ruleset


def decide(facts: Facts, envelope: Envelope, office: Office) -> tuple[Decision, ...]:
    """For each inbox its decision, the home inbox's first. `facts`: as `facts_of` gives them."""
    decisions = []
    for inbox, purpose in home_first(facts.view, envelope, office.roster):
        decision = _ruled_by(purpose, office.settings.postmaster, inbox, facts.view, envelope.sender)
        if decision is None:
            addresses = tuple(str(one.address) for one in envelope.recipients if one.inbox == inbox)
            decision = office.ruleset.decide(facts.at_inbox(inbox, addresses))
        if facts.results.get("dmarc") == "fail":
            decision = after_dmarc(decision, facts, _dmarc_policy(purpose, inbox, office))
        decisions.append(decision)
    return tuple(decisions)


def facts_of(
    view: MessageView,
    envelope: Envelope,
    client: Client,
    at: datetime,
    office: Office,
    proofs: AuthResults,
    conversation: Conversation | None = None,
) -> Facts:
    """The facts but for the inbox, to be read by `Facts.at_inbox`.

    `client`: who handed it over. `proofs`: as `proofs_of` gives them. `conversation`: the known one that it belongs to.
    """
    found = client.findings
    return Facts(
        view,
        envelope.sender,
        (),
        "",
        office.roster.own_addresses,
        internal=comes_from_member(view, client, office, proofs),
        at=at,
        results=proofs.by_method,
        dmarc_wish=proofs.dmarc_wish,
        dnsbl=DnsLists(found.listed_in, found.unanswered) if found.listed_in or found.unanswered else NOT_LISTED,
        conversation=_known_so_far(conversation, at) if conversation else None,
        delimiter=office.settings.addresses.delimiter,
    )


def proofs_of(
    view: MessageView, client: Client, office: Office, verification: Verification = NOT_VERIFIED
) -> AuthResults:
    """What proves who wrote it: what we verified ourselves, and of other methods what a trusted hop says."""
    ours = (*verified_of_client(client, office.roster), *verification.results)
    is_vouched = bool(verification.voucher)
    return believed_results(view, client.trusted, office.settings.authserv_ids, ours, vouched=is_vouched)


def verified_of_client(client: Client, roster: Roster) -> tuple[MethodResult, ...]:
    """What we found out of the client ourselves. Who logged in and is no member any more has proven nothing."""
    logged_in = roster.member(client.member) if client.member is not None else None
    return our_results(client, str(logged_in.mailbox) if logged_in else None)


def comes_from_member(view: MessageView, client: Client, office: Office, proofs: AuthResults) -> bool | None:
    """Whether a member wrote it, and that is proven; None: it could not be told then.

    A login with us stands for all addresses of its member, one that a hop tells of for that address alone. On a
    listener for members alone From is believed.
    """
    author = view.author.address if view.author else ""
    member = office.roster.member_with(author)
    if member is None:
        return False
    if proofs.authenticates(author):
        return True
    if proofs.author == author and (client.member == member or _is_for_members(client, office)):
        return True
    return None if proofs.result("dmarc") == TEMPORARY else False


def _is_for_members(client: Client, office: Office) -> bool:
    listener = office.settings.listener(client.listener)
    return listener is not None and listener.members


def speaker_of(view: MessageView, client: Client, office: Office, proofs: AuthResults) -> Speaker:
    """The member who wrote it; or who logged in and writes in the name of an inbox, as clients that have several
    addresses do. Nobody who writes in another member's or a stranger's name.
    """
    roster = office.roster
    if view.author is None or proofs.author is None:
        return Speaker(None, missing="its From does not name one author")
    member = roster.member_with(proofs.author)
    if member is not None:
        proven = comes_from_member(view, client, office, proofs)
        if proven is None:
            return Speaker(None, is_unsure=True)
        dmarc = proofs.result("dmarc")
        shown = f"for its From DMARC says {dmarc}" if dmarc else "nothing proves its From"
        if not proven:
            return Speaker(None, missing=f"{shown}, and there was no login of that member", is_claimed=True)
        is_here = client.member == member or _is_for_members(client, office)
        logged_in = is_here or proofs.author in proofs.logins
        is_sent_on = not logged_in and not proves_addressees(view.headers, proofs)
        return Speaker(member, has_logged_in=logged_in, is_sent_on=is_sent_on)
    if roster.inbox_of(proofs.author) is None:
        return Speaker(None, missing="its From names no member")
    logins = {roster.member_with(login) for login in proofs.logins}
    if client.member is not None:
        logins = {client.member if roster.member(client.member) is not None else None}
    found = logins.pop() if len(logins) == 1 else None
    missing = "" if found else "its From names an inbox, and no member has logged in"
    return Speaker(found, has_logged_in=found is not None, missing=missing)


def identity_of(view: MessageView, envelope: Envelope, client: Client, proofs: AuthResults) -> bytes:
    """By which the same message is known when it comes again: its content, and all else that rules may decide by.

    Not by which of our addresses for answers and notes it came: a reply to all comes to the inbox as well.
    """
    details = sorted(
        str(recipient.address)
        for recipient in envelope.recipients
        if recipient.detail is not None and recipient.purpose is Purpose.INBOX
    )
    results = view.headers.raw_values("authentication-results") if client.trusted else []
    proven = [f"{method}={result}" for method, result in proofs.by_method.items()]
    logins = [one.property("smtp.auth") or "" for one in proofs.results if one.method == "auth"]
    listed = sorted(client.findings.listed_in)
    beside = "\0".join((envelope.sender, *details, *proven, *logins, proofs.dmarc_wish, *listed))
    hashed = (view.content_hash, beside.encode("utf-8", "surrogatepass"), *results)
    return blake2b(b"\0".join(hashed), digest_size=32).digest()


def identity_of_words(member: str, message_id: str) -> bytes:
    """By which a member's words are known when they come again, where what they bear is all that proves them.

    Who has them may send them on as often as he likes, from wherever he likes, with fields that no signature covers.
    The Message-ID is signed (`proves_addressees`).
    """
    return blake2b(f"{member}\0{message_id}".encode("utf-8", "surrogatepass"), digest_size=32, person=b"words").digest()


def author_of(facts: Facts, envelope: Envelope, roster: Roster) -> Author:
    """Who wrote it, and what it is to its conversation.

    In a known conversation a member's message that goes to somebody outside is an answer, any other an aside.
    """
    view = facts.view
    customer = next(iter(customer_of(facts)), None)
    outside = outside_of(view, roster)
    begins = facts.conversation is None
    subject = view.bare_subject if begins else ""
    if _is_automatic(view, envelope, is_member=bool(facts.internal)):
        return Author(Voice.ASIDE, customer, outside, subject)
    member = roster.member_with(view.author.address) if facts.internal and view.author else None
    if begins or not facts.internal:
        return Author(Voice.CUSTOMER, customer, outside, subject, member)
    others = (mailbox.address for name in ("to", "cc") for mailbox in view.addresses(name))
    reaches_out = any(not roster.is_ours(other) for other in others)
    return Author(Voice.MEMBER if reaches_out else Voice.ASIDE, customer, outside, member=member)


def _is_automatic(view: MessageView, envelope: Envelope, *, is_member: bool) -> bool:
    if is_member:
        return is_of_machine(view, envelope, is_at_desk=False)
    return not envelope.sender or not view.kinds.isdisjoint(OF_MACHINES)


def outside_of(view: MessageView, roster: Roster) -> tuple[tuple[str, str], ...]:
    """Whom an answer goes to: Reply-To, without one From; and who stands in To and Cc. Nobody of ours."""
    found: dict[str, str] = {}
    for name in ("reply-to", "from", "to", "cc"):
        for mailbox in view.addresses(name) if name != "from" or not found else ():
            if len(found) == MAX_OUTSIDE:
                break
            if mailbox.address not in found and not roster.is_ours(mailbox.address) and _can_get(mailbox.address):
                found[mailbox.address] = mailbox.name[:MAX_NAME_CHARACTERS]
    return tuple([(name, address) for address, name in found.items()])


def _can_get(address: str) -> bool:
    try:
        parse_address(address)
    except AddressError:
        return False
    return True


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


def passed_inboxes(view: MessageView, keys: Keys, inboxes: Iterable[str], envelope: Envelope) -> frozenset[str]:
    """The inboxes, and addresses of the envelope, for which we handled the message before, by its own proof.

    Seen before anything is cut. What we wrote ourselves is for none of them.
    """
    traces = view.headers.raw_values("x-routerd-trace")[:MAX_TRACES]
    if not traces:
        return frozenset()
    asked = {*inboxes, *(recipient.inbox for recipient in envelope.recipients)}
    if any(is_own_trace(trace, keys, NOTICE) for trace in traces):
        return frozenset(asked)
    return frozenset(inbox for inbox in asked if any(is_own_trace(trace, keys, inbox) for trace in traces))


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


def _dmarc_policy(purpose: Purpose, inbox: str, office: Office) -> DmarcPolicy:
    """The postmaster hears of everything, and a return path gets bounces, which prove little of themselves."""
    found = office.roster.inbox(inbox) if purpose is Purpose.INBOX else None
    return found.dmarc if found is not None else DmarcPolicy.REPORT


def _ruled_by(purpose: Purpose, postmaster: str, inbox: str, view: MessageView, sender: str) -> Decision | None:
    """Rules read mail that comes to inboxes; what comes to other addresses of ours is the postmaster's."""
    match purpose:
        case Purpose.INBOX:
            return None
        case Purpose.ANSWER | Purpose.NOTE | Purpose.DRAFT:
            return Decision(inbox)  # colleagues' words are nobody's to sort
        case Purpose.POSTMASTER:
            return Decision(inbox, assign=Assign(postmaster, RuleRef("routerd", "postmaster")))
        case Purpose.RETURN_PATH | Purpose.WRAPPED:
            ruled = Assign(postmaster, RuleRef("routerd", "return-path"))
            return Decision(inbox, assign=ruled, labels=_labels_of_returned(view, sender))


def _labels_of_returned(view: MessageView, sender: str) -> tuple[str, ...]:
    """A bounce comes from nobody (RFC 3464 2), and so do most out-of-offices (RFC 3834 3.3)."""
    if "auto" in view.kinds and "bounce" not in view.kinds and not is_by_server(view):
        return (AUTOMATIC,)
    return () if sender else (BOUNCE,)
