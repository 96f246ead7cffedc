"""#send and #drop: what is held goes out, or does not. Pure."""

from collections.abc import Iterator
from datetime import datetime

from routerd.desk.answering import meanwhile, send_held
from routerd.desk.approving import approvers_of, said_of_approvers
from routerd.desk.changes import (
    WAITS_FOR_AUTHOR,
    Authored,
    Held,
    HeldEnd,
    HeldEnded,
    HeldForApproval,
    HeldKind,
)
from routerd.desk.moments import moment, zone_of
from routerd.desk.plan import Conversation, Event
from routerd.desk.roster import Roster
from routerd.desk.said import Drop, Send
from routerd.desk.scene import ForbiddenError, Scene, Work
from routerd.desk.showing import MAX_SHOWN, show
from routerd.desk.telling import Told, tell
from routerd.desk.watching import watching

MAX_BROUGHT = 5  # answers and drafts
_LOOKED_AT = 200  # messages of the conversation


def send(_command: Send, work: Work, scene: Scene) -> Work:
    now = work.now()
    held = _meant(work, scene, "send")
    if not may_release(held, scene.member, now, scene.roster, scene.at):
        if held.member == scene.member and now.standing.approve and held.kind in WAITS_FOR_AUTHOR:
            return _asked_for(held, work, scene)
        wanted = now.standing.approve or held.release
        who = said_of_approvers(held.member, wanted, scene.roster, scene.at) or "its author, the owner or who watches"
        raise ForbiddenError(f"it waits for the #send of {who}", held.id)
    if scene.state.content(held.message) is None:
        raise ForbiddenError("what was held is not kept any more; write it again")
    others = [sent for sent in meanwhile(scene.member, scene.state) if sent.message != held.message]
    if others:
        said = "; ".join(
            f"{scene.roster.display_name(sent.member)} on {moment(sent.at, zone_of(scene.member, scene.roster, now))}"
            for sent in others
        )
        raise ForbiddenError(
            f"meanwhile it was answered: {said}. Look at that first; to send this one all the same, "
            "reply to this mail with #send",
            held.id,
        )
    sent = send_held(held, scene.member, now, scene.state, scene.house, scene.at)
    told = _told_to_author(held, "sent", now, scene)
    return work.but(
        *sent.events,
        owner=sent.owner,
        team=sent.team,
        why=sent.why if sent.owner != now.owner else work.plan.why,
        standing=sent.standing,
        resent=(*work.plan.resent, *sent.resent),
        authored=(*work.plan.authored, *sent.authored, *told),
        held_ended=(*work.plan.held_ended, *sent.held_ended),
        answered=sent.answered,
    )


def _asked_for(held: Held, work: Work, scene: Scene) -> Work:
    """Its author wants it sent, and a rule wants somebody's word before: who may say it gets it now."""
    wanted, roster = work.standing.approve, scene.roster
    approvers = approvers_of(held.member, wanted, roster, scene.at)
    who = said_of_approvers(held.member, wanted, roster, scene.at)
    if scene.state.content(held.message) is None:
        raise ForbiddenError(f"it waits for the #send of {who}, and is not kept any more; write it again")
    shown = show(held, approvers, work.now(), scene.state, scene.house, scene.at)
    event = Event("approval_asked", {"member": held.member, "of": list(wanted)})
    asked = work.but(
        event,
        resent=(*work.plan.resent, *shown),
        held_for_approval=(*work.plan.held_for_approval, HeldForApproval(held.id, wanted)),
    )
    return asked.telling(f"#send: a rule wants the word of {who} before. It was sent there to be read.")


def drop(_command: Drop, work: Work, scene: Scene) -> Work:
    now = work.now()
    held = _meant(work, scene, "drop")
    if held.member != scene.member and not may_release(held, scene.member, now, scene.roster, scene.at):
        raise ForbiddenError(f"only {scene.roster.display_name(held.member)} and who may #send it may drop it", held.id)
    event = Event("held_dropped", {"by": scene.member, "member": held.member, "kind": str(held.kind)})
    return work.but(
        event,
        held_ended=(*work.plan.held_ended, HeldEnded(held.id, HeldEnd.DROPPED)),
        authored=(*work.plan.authored, *_told_to_author(held, "dropped", now, scene)),
    )


def _told_to_author(held: Held, what: str, conversation: Conversation, scene: Scene) -> Iterator[Authored]:
    """What became of it by somebody else's word; where he answers, he speaks to colleagues."""
    roster = scene.roster
    if held.member == scene.member or roster.member(held.member) is None:
        return
    about = next((one.message_id for one in scene.state.past(_LOOKED_AT) if one.message == held.message), None)
    to = ", ".join(conversation.standing.named_outside[:MAX_SHOWN])
    words = f"sent{f' to {to}' if to else ''}" if what == "sent" else "dropped, and goes to nobody"
    told = Told(
        inbox=conversation.inbox,
        members=(held.member,),
        subject=f"[{what}] {conversation.standing.subject}".rstrip(),
        text=f"{roster.display_name(scene.member)} has said so: your {_called(held)} was {words}.\n",
        why=f"told that it was {what}",
        in_reply_to=about,
    )
    yield tell(told, scene.house, scene.at)


def _called(held: Held) -> str:
    return "draft" if held.kind is HeldKind.DRAFT else "answer"


def _meant(work: Work, scene: Scene, word: str) -> Held:
    """The one that the mail shows which he answers: nobody lets go what he has not had before his eyes. What one wrote
    oneself one knows, so that where nothing else waits any mail will do."""
    ended = {one.id for one in work.plan.held_ended}
    waiting = [held for held in scene.state.held() if held.id not in ended]
    shown = scene.state.seen.held if scene.state.seen is not None else None
    for held in waiting:
        if held.id == shown:
            return held
    if shown is None and len(waiting) == 1 and waiting[0].member == scene.member:
        return waiting[0]
    gone = "what that mail shows does not wait any more: it was sent, dropped or replaced"
    if not waiting:
        nothing = f"nothing waits for #send or #drop in this conversation; #{word} answers the mail that it is about"
        raise ForbiddenError(nothing if shown is None else gone)
    why = "the mail that you answer shows none of what waits here" if shown is None else gone
    raise _not_shown(why, waiting, work, scene, word)


def _not_shown(why: str, waiting: list[Held], work: Work, scene: Scene, word: str) -> ForbiddenError:
    """Says what waits, and brings of it what the speaker may let go: by these mails he can say which he means."""
    now, roster = work.now(), scene.roster
    zone = zone_of(scene.member, roster, now)
    mine = [held for held in waiting if may_release(held, scene.member, now, roster, scene.at)][:MAX_BROUGHT]
    named = [
        f"the {_called(held)} of {roster.display_name(held.member)} of {moment(held.at, zone)}"
        for held in waiting[:MAX_BROUGHT]
    ]
    brings = tuple(one for held in mine for one in show(held, (scene.member,), now, scene.state, scene.house, scene.at))
    how = f"say #{word} in a reply to the mail that shows it"
    if brings:
        how += ", which comes to you again now" if len(brings) == 1 else "; these mails come to you again now"
    more = f" and {len(waiting) - MAX_BROUGHT} more" if len(waiting) > MAX_BROUGHT else ""
    waits = "waits" if len(waiting) == 1 else "wait"
    return ForbiddenError(f"{why}. Here {waits} {'; '.join(named)}{more}: {how}", brings=brings)


def may_release(held: Held, member: str, conversation: Conversation, roster: Roster, at: datetime) -> bool:
    """Whether his #send counts. Where a rule wants somebody's word, nobody else's does; his own is another's."""
    counted = approvers_of(held.member, conversation.standing.approve or held.release, roster, at)
    if counted:
        return member in counted
    return member in {held.member, conversation.owner, *watching(conversation.standing)}
