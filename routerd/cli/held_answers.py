"""What is said of an answer or draft that waits for a member's word: it is no copy, and the postmaster's hand does not
move it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from routerd.cli.queue_report import MAX_TEXT
from routerd.config.settings import Settings
from routerd.desk.approving import said_of_approvers
from routerd.desk.changes import Held, HeldKind
from routerd.desk.plan import Conversation
from routerd.desk.roster import Roster
from routerd.message.fold import display
from routerd.store.queue_view import QueueView

_MAX_LOOKED_AT = 20  # messages


def wait_for_a_word(ids: Sequence[str], view: QueueView, settings: Settings) -> Iterator[str]:
    """Of those of messages and copies, what waits for #send: for whose, and how it is said. May raise StoreError."""
    messages = dict.fromkeys(one.partition("-")[0] for one in ids)
    for name in list(messages)[:_MAX_LOOKED_AT]:
        whole = view.conversation(name)
        for one in whole.held if whole is not None else ():
            if whole is not None and one.end is None and one.queue_id == name:
                yield _sentence(name, one.held, whole.listed.conversation, Roster(settings))


def _sentence(name: str, held: Held, conversation: Conversation, roster: Roster) -> str:
    what = "draft" if held.kind is HeldKind.DRAFT else "answer"
    wanted = conversation.standing.approve or held.release
    who = said_of_approvers(held.member, wanted, roster, datetime.now(UTC))
    if not who:
        who = (
            f"{held.member}, its author" if held.kind is not HeldKind.DRAFT else "its author, the owner or who watches"
        )
    told = (
        f"{name}: this {what} of {held.member} waits in conversation {conversation.id} for the #send of {who}, "
        f"said in a reply to the mail that shows it; #drop drops it. The queue only moves copies of it"
    )
    return display(told, 10 * MAX_TEXT)
