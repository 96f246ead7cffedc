"""What follows when a mail server reports, an hour or days later, that it could not deliver a copy. Pure.

The table of the design, "when a copy cannot be delivered", as `retry.py` has it for answers in the dialogue.
"""

from routerd.desk.changes import Role
from routerd.message.delivery_report import Action, DeliveryReport, RecipientReport
from routerd.store.base import Conclusion, Copy, Forgo, Hold, Line, Reroute

_OF_MESSAGE = ("3.4", "6.", "7.")  # size, content, policy; behind the class, which is 4 where a server gave up waiting
_AFTER_CONTENT = "in reply to end of data"  # Postfix's words for the stage


def part_about(copy: Copy, report: DeliveryReport) -> RecipientReport | None:
    """What the report says of this copy's mailbox, a failure before all else; None: it speaks of others."""
    about = [recipient for recipient in report.recipients if recipient.is_about(copy.mailbox)]
    failed = [recipient for recipient in about if recipient.action is Action.FAILED]
    return next(iter((*failed, *about)), None)


def conclude_bounce(copy: Copy, said: RecipientReport, by: str, line: Line) -> Conclusion | None:
    """`by`: the server that reports, "" where it does not say. None: nothing failed.

    A server that gave up, for whatever reason but the message itself, leaves the customer without an answer: the next
    in line gets the copy.
    """
    if said.action is not Action.FAILED:
        return None
    reason = reason_of(said, by)
    if copy.role is not Role.OWNER:
        return Forgo(reason, status=said.status)
    if _would_fail_for_everybody(said):
        return Hold(reason, status=said.status)
    return Reroute(reason, lambda tried: line(copy, reason, tried), status=said.status)


def reason_of(said: RecipientReport, by: str) -> str:
    """One line: what came back, from where, in the server's words."""
    words = said.diagnostic if said.status in said.diagnostic else f"{said.status} {said.diagnostic}".rstrip()
    return f"a bounce came back{f' from {by}' if by else ''}: {words or 'without a reason'}"


def _would_fail_for_everybody(said: RecipientReport) -> bool:
    if said.status.partition(".")[2].startswith(_OF_MESSAGE):
        return True
    says_nothing = not said.status or said.status.endswith(".0.0")
    return says_nothing and _AFTER_CONTENT in said.diagnostic.lower()
