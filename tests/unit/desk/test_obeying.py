"""Commands: what each does, who may say it, and that all of a mail's are done or none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from desk_house import KNOWN, NOW, SUPPORT, FullState, house, mail, matter, text_of

from routerd.desk.changes import (
    Absence,
    AbsenceSource,
    Back,
    Held,
    HeldEnd,
    HeldEnded,
    HeldForApproval,
    HeldId,
    HeldKind,
    Part,
    Role,
    TimerKind,
)
from routerd.desk.matter import House
from routerd.desk.noting import note_plan
from routerd.desk.plan import ConversationState, Happened, Past, Plan, Seen, Sent
from routerd.desk.said import COMMANDS, Kind
from routerd.desk.timers import timed
from routerd.message.envelope import QueueId
from routerd.message.view import MessageView
from routerd.rules.decision import Priority

ANSWER = mail("Dzień dobry, już zwracamy.", "omar@far.example", Message_ID="<a1@omar>")
HELD = Held(HeldId(3), HeldKind.CONFLICT, "omar", 11, NOW)
SHOWN = Seen(12, "omar", NOW, HeldId(3))


def said(text: str, state: FullState | None = None, member: str = "jan", told: House | None = None) -> Plan:
    told = told or house()
    return note_plan(matter(Kind.NOTE, mail(text, f"{member}@example.com"), told, member), state or FullState(), told)


def stands(**changes: object) -> FullState:
    return FullState(replace(KNOWN, standing=replace(KNOWN.standing, **changes)))  # type: ignore[arg-type]


def holding(*held: Held, seen: Seen | None = None, **changes: object) -> FullState:
    state = stands(**changes)
    return replace(state, waiting=held or (HELD,), seen=seen, contents={11: ANSWER, 21: ANSWER})


def answer_to(plan: Plan) -> str:
    """What the speaker is told."""
    [told] = [one for one in plan.authored if [copy.member for copy in one.copies] == [plan.member]]
    return text_of(told.raw)


def kinds(plan: Plan) -> list[str]:
    return [event.kind for event in plan.events]


def refused(plan: Plan) -> str:
    """That nothing was done; and why."""
    assert plan.resent == ()
    return not_done(plan)


def brought(plan: Plan, *messages: int) -> str:
    """That nothing was done, but that the speaker gets those messages that wait, each as one that #send answers; and
    why."""
    assert [(one.message, one.copy.member, one.copy.role) for one in plan.resent] == [
        (message, plan.member, Role.DESK) for message in messages
    ]
    assert all(b"From: =?utf-8?b?2LnZhdix?= <support+note@example.com>" in one.copy.head for one in plan.resent)
    return not_done(plan)


def not_done(plan: Plan) -> str:
    assert (plan.copies, plan.held_ended, plan.absences, plan.turns) == ((), (), (), ())
    assert set(kinds(plan)) == {"command_refused"}
    return answer_to(plan)


def test_what_is_not_done_is_told_as_it_was_written() -> None:
    """With all that stood behind the command, and whichever of several it was."""
    why = refused(said("#label +a\n#label -old", stands()))
    assert "\n  #label -old\n" in why
    assert "\n  #label +a" not in why


# Owners.


def test_take_makes_the_speaker_the_owner_who_gets_the_conversation() -> None:
    """And whose it was hears of it."""
    past = Past(1, QueueId("A"), Part.CUSTOMER, None, NOW, "a@klient.pl", True)
    plan = said("#take", replace(stands(), messages=(past,)))
    assert (plan.owner, plan.team, plan.why) == ("jan", "finance", "owner by command: jan took it")
    assert [(one.message, one.copy.member) for one in plan.resent] == [(1, "jan")]
    assert sorted(copy.member for told in plan.authored for copy in told.copies) == ["ewa", "jan"]
    assert [event.data for event in plan.events if event.kind == "owner_changed"] == [
        {"from": "ewa", "to": "jan", "why": "jan took it"}
    ]


def test_take_of_ones_own_changes_nothing() -> None:
    plan = said("#take", member="ewa")
    assert (plan.owner, plan.authored, kinds(plan)) == ("ewa", (), ["command_obeyed"])


def test_assign_to_a_team_picks_from_it() -> None:
    """And moves its rotation on. To a team whose member has it already: it stays, and that is said."""
    duty = house(teams={"finance": {"members": ["ewa"]}, "duty": {"members": ["jan", "adam"], "pick": "round_robin"}})
    plan = said("#assign duty", replace(stands(), turns={"duty": "jan"}), told=duty)
    assert (plan.owner, plan.team, plan.turns) == ("adam", "duty", (("duty", "adam"),))
    plan = said("#assign finance")
    assert (plan.owner, plan.turns) == ("ewa", ())
    assert "Ewa Nowak of finance has it already" in answer_to(plan)


def test_assign_to_who_is_away_goes_to_the_deputy_and_says_so() -> None:
    people = {
        "ewa": {"mailbox": "ewa@example.com"},
        "jan": {"mailbox": "jan@example.com"},
        "omar": {"mailbox": "omar@example.com", "away": "2026-12-20..2026-12-31", "deputy": "adam"},
        "adam": {"mailbox": "adam@example.com"},
    }
    plan = said("#assign omar", told=house(members=people))
    assert plan.owner == "adam"
    assert "adam, deputy of omar who is away" in answer_to(plan)


def test_the_note_goes_to_the_new_owner_and_to_the_former() -> None:
    plan = said("#assign adam\n\nTwoje.", member="jan")
    assert [copy.member for copy in plan.copies] == ["ewa"]
    [told] = plan.authored
    assert [copy.member for copy in told.copies] == ["adam"]
    assert "> Twoje." in text_of(told.raw)


# How it stands.


def test_labels_come_and_go() -> None:
    plan = said("#label +pilne -old nowe", stands(labels=("old", "faktura")))
    assert plan.standing.labels == ("faktura", "pilne", "nowe")
    assert plan.events[0].data == {"by": "jan", "added": ["pilne", "nowe"], "removed": ["old"]}
    assert plan.labels == ()


def test_a_label_that_is_not_there_cannot_go() -> None:
    assert "its labels: old" in refused(said("#label -odl", stands(labels=("old",))))
    many = " ".join(f"l{number}" for number in range(51))
    assert "at most 50 labels" in refused(said(f"#label {many}"))


def test_close_open_snooze_and_priority() -> None:
    """As the table of states has it."""
    plan = said("#close")
    assert (plan.standing.state, plan.standing.waiting_since) == (ConversationState.CLOSED, None)
    assert said("#open", stands(state=ConversationState.CLOSED)).standing.state is ConversationState.OPEN
    plan = said("#snooze 2d")
    assert (plan.standing.state, plan.standing.snoozed_until) == (ConversationState.SNOOZED, NOW + timedelta(days=2))
    plan = said("#priority high\n#close")
    assert (plan.standing.priority, plan.standing.state) == (Priority.HIGH, ConversationState.CLOSED)
    assert kinds(plan) == ["priority_set", "conversation_closed", "command_obeyed", "command_obeyed"]


def test_watching() -> None:
    assert said("#watch").standing.watchers == ("jan",)
    assert said("#unwatch", stands(watchers=("omar", "jan"))).standing.watchers == ("omar",)
    assert said("#unwatch").standing.watchers == ()
    assert "#assign somebody else" in refused(said("#unwatch", member="ewa"))


# Oneself.


def test_away_and_back() -> None:
    """Both are confirmed. Nobody is his own deputy."""
    until = datetime(2027, 1, 10, tzinfo=UTC)
    plan = said("#away until 2027-01-10 deputy omar")
    assert plan.absences == (Absence("jan", AbsenceSource.COMMAND, NOW, until, "omar"),)
    assert "until 2027-01-10 00:00 UTC" in answer_to(plan)
    plan = said("#back")
    assert plan.absences == (Back("jan"),)
    assert "there again" in answer_to(plan)
    assert "somebody else than you" in refused(said("#away deputy jan"))


def test_who_goes_away_hands_over_what_he_has_where_the_config_says_so() -> None:
    people = {name: {"mailbox": f"{name}@example.com"} for name in ("ewa", "omar", "adam")}
    jan = {"mailbox": "jan@example.com", "handover": "all"}
    assert said("#away").hands_over == ()
    assert said("#away", told=house(members={**people, "jan": jan})).hands_over == ("jan",)


def test_back_cannot_undo_what_the_config_says() -> None:
    people = {"jan": {"mailbox": "jan@example.com", "away": "2026-12-20..2026-12-31"}}
    people |= {name: {"mailbox": f"{name}@example.com"} for name in ("ewa", "omar", "adam")}
    assert "until 2026-12-31" in answer_to(said("#back", told=house(members=people)))


# What is held.


def test_send_lets_the_held_bytes_go_out_and_nothing_of_the_mail_that_says_so() -> None:
    plan = said("#send", holding(seen=SHOWN), member="omar")
    assert plan.held_ended == (HeldEnded(HeldId(3), HeldEnd.SENT),)
    out = [one for one in plan.resent if one.copy.role is Role.ANSWER]
    assert [(one.message, one.copy.member) for one in out] == [(11, "anna@klient.pl")]
    assert plan.copies == ()
    assert plan.standing.state is ConversationState.ANSWERED
    assert plan.answered is not None
    assert plan.answered.member == "omar"
    assert "answer_sent" in kinds(plan)


@pytest.mark.parametrize(("word", "what"), [("#send", "sent"), ("#drop", "dropped")])
def test_an_author_hears_what_became_of_his_answer_by_somebody_elses_word(word: str, what: str) -> None:
    """One mail, in its thread; who says it himself knows it."""
    past = Past(11, QueueId("A"), Part.ANSWER, "omar", NOW, "a1@omar", True)
    state = replace(holding(seen=SHOWN), messages=(past,))
    [told] = [one for one in said(word, state, member="ewa").authored if one.why == f"told that it was {what}"]
    assert [copy.member for copy in told.copies] == ["omar"]
    assert f"Subject: [{what}] Skarga".encode() in told.raw or b"=?utf-8?" in told.raw
    assert b"In-Reply-To: <a1@omar>" in told.raw
    words = "sent to Anna Klient <anna@klient.pl>" if what == "sent" else "dropped, and goes to nobody"
    assert f"Ewa Nowak has said so: your answer was {words}." in text_of(told.raw)
    assert not [one for one in said(word, state, member="omar").authored if one.why == told.why]


def test_colleagues_see_of_a_draft_that_went_out_whom_it_went_to() -> None:
    """Not the address for drafts, to which an answer to all would be one more; an answer's copies stay as they are."""
    draft = holding(replace(HELD, kind=HeldKind.DRAFT), seen=SHOWN)
    out, copy = said("#send", draft, member="omar").resent
    head = MessageView(copy.copy.head)
    assert (out.copy.role, copy.copy.role, copy.copy.member) == (Role.ANSWER, Role.WATCHER, "ewa")
    assert [one.address for one in head.addresses("to")] == [SUPPORT]
    assert b"To: Anna Klient via Support <support@example.com>" in copy.copy.head
    assert said("#send", holding(seen=SHOWN), member="omar").resent[1].copy.head == b""


def test_a_note_beside_send_goes_to_colleagues_alone() -> None:
    plan = said("#send\n\nPoszło, @adam.", holding(seen=SHOWN), member="omar")
    assert [(copy.member, copy.role) for copy in plan.copies] == [("ewa", Role.DESK), ("adam", Role.DESK)]
    assert all(one.message == 11 for one in plan.resent)


@pytest.mark.parametrize(("member", "may"), [("omar", True), ("ewa", True), ("jan", False), ("adam", True)])
def test_who_may_send(member: str, may: bool) -> None:
    """The author, the owner and the watchers."""
    plan = said("#send", holding(seen=SHOWN, watchers=("adam",)), member=member)
    if may:
        assert plan.held_ended == (HeldEnded(HeldId(3), HeldEnd.SENT),)
    else:
        assert "it waits for the #send of its author, the owner or who watches" in refused(plan)


@pytest.mark.parametrize(("member", "may"), [("omar", False), ("ewa", False), ("jan", False), ("adam", True)])
@pytest.mark.parametrize("kind", list(HeldKind))
def test_where_a_rule_wants_somebodys_word_no_other_counts(kind: HeldKind, member: str, may: bool) -> None:
    """Whatever it is held for. A team stands for its members."""
    held = replace(HELD, kind=kind, release=("duty",) if kind is HeldKind.APPROVAL else ())
    plan = said("#send", holding(held, seen=SHOWN, approve=("duty",)), member=member)
    assert bool(plan.held_ended) is may
    assert may or all(one.copy.role is Role.DESK for one in plan.resent)
    if not may and (member != "omar" or kind in (HeldKind.DRAFT, HeldKind.APPROVAL)):
        assert "it waits for the #send of adam" in refused(plan)


def test_nobody_approves_his_own_answer_where_somebody_else_can() -> None:
    """Four eyes are meant. Who is the only one to ask needs nobody."""
    wanted = replace(HELD, kind=HeldKind.APPROVAL, release=("omar", "duty"))
    both = holding(wanted, seen=SHOWN, approve=("omar", "duty"))
    assert "it waits for the #send of adam" in refused(said("#send", both, member="omar"))
    assert said("#send", both, member="adam").held_ended == (HeldEnded(HeldId(3), HeldEnd.SENT),)
    alone = holding(replace(HELD, kind=HeldKind.DRAFT), approve=("omar",))
    assert said("#send", alone, member="omar").held_ended == (HeldEnded(HeldId(3), HeldEnd.SENT),)


def test_an_answer_that_its_author_wants_sent_is_shown_to_who_must_approve() -> None:
    """It was held for another reason before, so they have not seen it. It stays held."""
    plan = said("#send", holding(approve=("duty",)), member="omar")
    [shown] = plan.resent
    assert (shown.message, shown.copy.member, shown.copy.role) == (11, "adam", Role.DESK)
    assert b"Subject: [approve] Re: Skarga\r\n" in shown.copy.head
    assert b"klient.pl" not in shown.copy.head
    assert (plan.held_ended, plan.answered) == ((), None)
    assert "wants the word of adam before" in answer_to(plan)


def test_what_waits_for_others_since_its_author_said_send_is_not_dropped() -> None:
    """24 hours are for an author who says nothing; theirs is the word now, as in the answer that was held for it."""
    told, state = house(), holding(approve=("duty",))
    before = timed(said("#history", state, "omar", told), state, told, NOW)
    asked = timed(said("#send", state, "omar", told), state, told, NOW)
    assert asked.held_for_approval == (HeldForApproval(HeldId(3), ("duty",)),)
    assert [timer.kind for timer in before.timers or ()] == [TimerKind.DROP]
    assert asked.timers == ()


def test_an_author_may_always_drop_what_he_wrote() -> None:
    plan = said("#drop", holding(approve=("duty",)), member="omar")
    assert plan.held_ended == (HeldEnded(HeldId(3), HeldEnd.DROPPED),)
    assert plan.resent == ()
    assert "may drop it" in refused(said("#drop", holding(seen=SHOWN)))


def test_what_was_answered_meanwhile_is_told_before_it_is_sent() -> None:
    """Not before the speaker has seen that: the mail that tells it shows the held answer, so #send to it counts."""
    after = Sent(15, "jan", NOW, 15)
    state = replace(holding(seen=SHOWN), answers=(after,))
    plan = said("#send", state, member="omar")
    assert "Jan Wójcik on 2026-12-24" in refused(plan)
    assert plan.authored[0].shows == HeldId(3)
    seen_since = replace(state, seen=Seen(16, "omar", NOW, HeldId(3)))
    assert said("#send", seen_since, member="omar").held_ended
    own = replace(state, answers=(replace(after, member="omar"),))
    assert said("#send", own, member="omar").held_ended


def test_of_several_that_wait_the_mail_that_is_answered_says_which() -> None:
    other = replace(HELD, id=HeldId(4), message=21)
    assert "Here wait the answer of عمر" in brought(said("#send", holding(HELD, other), member="omar"), 11, 21)
    plan = said("#send", holding(HELD, other, seen=SHOWN), member="omar")
    assert plan.held_ended == (HeldEnded(HeldId(3), HeldEnd.SENT),)
    gone = replace(SHOWN, held=HeldId(9))
    assert "does not wait any more" in brought(said("#send", holding(HELD, seen=gone), member="omar"), 11)


@pytest.mark.parametrize("word", ["#send", "#drop"])
@pytest.mark.parametrize("kind", [HeldKind.APPROVAL, HeldKind.DRAFT])
def test_what_somebody_else_wrote_is_let_go_by_an_answer_to_the_mail_that_shows_it(word: str, kind: HeldKind) -> None:
    """Not by one to an older note, nor to a mail that shows what was sent long ago: he gets it then, and says it again.
    Of what waits for others he hears how it is said, and gets nothing."""
    held, note = replace(HELD, kind=kind), Seen(2, "adam", NOW)
    for seen in (note, None, replace(SHOWN, held=HeldId(2))):
        told = brought(said(word, holding(held, seen=seen, approve=("duty",)), member="adam"), 11)
        what = "draft" if kind is HeldKind.DRAFT else "answer"
        assert f"Here waits the {what} of عمر of 2026-12-24 12:00 UTC" in told
        assert f"say {word} in a reply to the mail that shows it, which comes to you again now" in told
    assert said(word, holding(held, seen=SHOWN, approve=("duty",)), member="adam").held_ended
    told = refused(said(word, holding(held, seen=note, approve=("duty",)), member="jan"))
    assert "in a reply to the mail that shows it" in told


def test_what_one_wrote_oneself_one_knows() -> None:
    """Any reply of the conversation will do, where nothing else waits."""
    note = Seen(2, "omar", NOW)
    assert said("#send", holding(seen=note), member="omar").held_ended == (HeldEnded(HeldId(3), HeldEnd.SENT),)
    other = replace(HELD, id=HeldId(4), message=21, member="jan", kind=HeldKind.DRAFT)
    assert "Here wait" in brought(said("#send", holding(HELD, other, seen=note), member="omar"), 11)


def test_a_new_owner_by_a_held_answer_is_told_of_as_that() -> None:
    """Its author has the conversation from then on; the reason is that he answered, not the conversation itself."""
    plan = said("#send", holding(seen=SHOWN), member="omar")
    assert plan.why == "owner by answering"
    [told] = [text_of(one.raw) for one in plan.authored if [copy.member for copy in one.copies] == ["ewa"]]
    assert told == "This conversation is عمر's now: omar answered."


def test_whoever_is_away_is_named_with_until_when() -> None:
    """One member is no 'nobody of'."""
    away = Absence("adam", AbsenceSource.COMMAND, NOW, datetime(2026, 12, 28, tzinfo=UTC))
    told = refused(said("#assign adam", told=house().as_of(replace(stands(), away=(away,)))))
    assert "adam is away until 2026-12-28 00:00 UTC, and so is whoever stands in; name somebody else" in told


def test_nothing_waits() -> None:
    assert "nothing waits" in refused(said("#send"))
    assert "nothing waits" in refused(said("#send\n#send", holding(seen=None), member="omar"))


def test_what_is_not_kept_cannot_be_sent() -> None:
    assert "not kept any more" in refused(said("#send", replace(holding(), contents={}), member="omar"))


# Asked for.


def test_history_tells_what_happened() -> None:
    past = Past(1, QueueId("A"), Part.CUSTOMER, None, NOW - timedelta(hours=2), "a@klient.pl", True)
    event = Happened(NOW - timedelta(hours=1), "owner_changed", {"from": "jan", "to": "ewa", "why": "overdue"})
    odd = Happened(NOW, "answer_sent", {"damaged": "{}"})
    plan = said("#history", replace(stands(), messages=(past,), events=(event, odd)))
    told = answer_to(plan)
    assert "Owner: Ewa Nowak (finance)" in told
    assert "2026-12-24 10:00 UTC  the customer wrote\n2026-12-24 11:00 UTC  Jan Wójcik → Ewa Nowak: overdue" in told
    assert "the answer of - was sent" in told
    assert plan.copies == ()


def test_help_names_every_command() -> None:
    told = answer_to(said("#help"))
    assert all(f"#{name}" in told for name in COMMANDS)


# All or nothing.


@pytest.mark.parametrize(
    "bad",
    ["#clsoe", "#assign nobody", "#send", "#label -none", "#snooze never", "#away deputy jan"],
)
@pytest.mark.parametrize("first", [True, False])
def test_with_one_bad_command_none_is_done(bad: str, first: bool) -> None:
    good = "#take\n#label +x\n#close\n#away\n#assign omar"
    plan = said(f"{bad}\n{good}\n\n@adam" if first else f"{good}\n{bad}\n\n@adam")
    assert plan.standing == replace(KNOWN.standing, messages=2)
    assert (plan.owner, plan.inbox) == ("ewa", SUPPORT)
    assert bad.split(maxsplit=1)[0] in refused(plan)


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = answer_to(said("#clsoe\n#label -x\n#send"))
    assert "did you mean 'close'" in told
    assert "no label x" in told
    assert "nothing waits" in told


def test_what_is_shown_for_approval_has_a_message_id_of_its_own_where_its_mail_has_none() -> None:
    """By it an approver's answer finds the conversation, as with what was held for approval at once."""
    state = replace(holding(approve=("duty",)), contents={11: ANSWER.replace(b"Message-ID: <a1@omar>\r\n", b"")})
    [shown] = said("#send", state, member="omar").resent
    assert MessageView(shown.copy.head).message_id.endswith("@example.com")  # type: ignore[union-attr]
