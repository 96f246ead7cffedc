"""What comes by itself comes once, in its time: over restarts, faults and a clock that is set."""

import asyncio
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from router_desk import NOW, SETTINGS, SUPPORT, Desk

from routerd.config.settings import Inbox, Settings
from routerd.desk.changes import Absence, AbsenceSource, Back, Role
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, ConversationState, FullDeskState, Plan, Voice
from routerd.desk.standing import after_message
from routerd.desk.timers import timed as plan_with_timers
from routerd.desk.timers import unchanged
from routerd.intake.queue_ids import QueueIds
from routerd.message.envelope import QueueId
from routerd.message.key_ring import KeyRing
from routerd.message.view import MessageView
from routerd.settling import Live, settled
from routerd.store.base import Copy, Deed, NewCopy, Reroute, Settled, ThreadKeys
from routerd.store.queue_view import QueueView
from routerd.timekeeper import Pace, Timekeeper

HOUR = timedelta(hours=1)
YEARS = timedelta(days=3653)
KEYS = KeyRing.begun(b"k" * 32)
PROMISING = "rules:\n  - {name: all, when: {always: true}, then: {respond_within: 4h}}\n"
STEPS = [{"after": "0h", "watch": "ewa"}, {"after": "4h", "assign": "omar"}]
INBOX = Inbox.model_validate({"default": "jan", "escalate": STEPS, "close_after": "14d"})
WITH_STEPS = SETTINGS.model_copy(update={"inboxes": {SUPPORT: INBOX}})
AWAY = Plan(SUPPORT, "jan", None, "an absence")
DAILY = SETTINGS.model_copy(update={"digest": time(12)})


class SteppedLoop(asyncio.SelectorEventLoop):
    """Its clock is moved by hand."""

    passed = timedelta(0)

    def time(self) -> float:
        return self.passed.total_seconds()


class Clock:
    """As far from the beginning as the loop's clock says, and as it was set."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.set_by = timedelta(0)

    def __call__(self) -> datetime:
        return NOW + timedelta(seconds=self.loop.time()) + self.set_by

    def move(self, by: timedelta) -> None:
        assert isinstance(self.loop, SteppedLoop)
        self.loop.passed += by


class TimedDesk:
    """A desk with a timekeeper, whose copies nobody delivers."""

    def __init__(self, folder: Path, settings: Settings = WITH_STEPS, rules: str = PROMISING) -> None:
        self.folder = folder
        self.desk = Desk(folder, settings)
        self.desk.use(rules)
        self.clock = Clock()
        self._ids = QueueIds(bytes)
        self.fired: list[Copy] = []
        self.timekeeper = Timekeeper(
            self.desk.store,
            lambda: self.desk.live,
            self._house,
            lambda copies, _: self.fired.extend(copies),
            self.desk.metrics,
            self.clock,
            Pace(),
        )

    def _house(self, live: Live) -> House:
        return House(live.settings, live.roster, lambda names: names[0], self._ids.make)

    async def write(self, number: int = 1, header: str = "") -> None:
        await self.desk.send(SUPPORT, header=f"Message-ID: <{number}@klient.pl>\r\n{header}", at=self.clock())

    async def conversation(self, number: int = 1) -> Conversation:
        keys = ThreadKeys("x@y", (f"{number}@klient.pl",), author="anna@klient.pl")
        found = (await self.desk.store.recall(keys)).conversation
        assert found is not None
        return found

    async def after(self, hours: float) -> None:
        """So long with the timekeeper at work, which looks each hour and when a timer is due."""
        end = self.clock() + timedelta(hours=hours)
        await self.timekeeper.look()
        while (left := end - self.clock()) > timedelta(0):
            at = await self.desk.store.next_timer()
            until = at - self.clock() if at is not None else HOUR
            self.clock.move(min(until if until > timedelta(0) else HOUR, HOUR, left))
            await self.timekeeper.look()

    def mails(self) -> list[str]:
        return [copy.member for copy in self.fired if copy.role is Role.DESK]


def simulated(test: Any, *made: Any) -> Any:
    """The test, in time that is moved by hand."""

    def run(tmp_path: Path) -> None:
        async def work() -> None:
            timed = TimedDesk(tmp_path, *made)
            await test(timed)
            await timed.desk.store.close()

        with asyncio.Runner(loop_factory=SteppedLoop) as runner:
            runner.run(work())

    run.__doc__ = test.__doc__
    run.__name__ = test.__name__
    return run


def daily(test: Any) -> Any:
    return simulated(test, DAILY, "")


@simulated
async def test_a_promise_is_reminded_of_then_overdue_then_goes_up(timed: TimedDesk) -> None:
    """At 3 h the owner hears of it; at 4 h it is overdue and Ewa sees it; at 8 h Omar has it."""
    await timed.write()
    await timed.after(2.9)
    assert timed.fired == []
    await timed.after(0.2)
    assert timed.mails() == ["jan"]
    await timed.after(1)
    standing = (await timed.conversation()).standing
    assert (standing.overdue, standing.labels, standing.watchers) == (True, ("overdue",), ("ewa",))
    assert [(copy.member, copy.role) for copy in timed.fired[1:]] == [("ewa", Role.WATCHER), ("ewa", Role.DESK)]
    assert timed.desk.metrics.registry.get_sample_value("routerd_overdue_total") == 1
    await timed.after(4)
    assert (await timed.conversation()).owner == "omar"
    assert sorted(timed.mails()) == ["ewa", "jan", "jan", "omar"]
    await timed.after(100)
    assert len(timed.mails()) == 4


@simulated
async def test_each_fires_at_its_second(timed: TimedDesk) -> None:
    await timed.write()
    await timed.after(9)
    at = [copy.created_at - NOW for copy in timed.fired]
    assert {round(one / HOUR, 3) for one in at} == {3.0, 4.0, 8.0}


@simulated
async def test_after_a_night_off_all_that_is_due_comes_at_once_and_once(timed: TimedDesk) -> None:
    """What is overdue by now is not reminded of; both steps are one."""
    for number in range(1, 4):
        await timed.write(number)
    timed.clock.move(12 * HOUR)
    await timed.after(0.1)
    assert sorted(timed.mails()) == sorted(["jan", "jan", "ewa", "omar"] * 3)
    for number in range(1, 4):
        assert (await timed.conversation(number)).owner == "omar"
    await timed.after(100)
    assert len(timed.mails()) == 12


@simulated
async def test_a_clock_that_is_wrong_for_a_moment_fires_nothing(timed: TimedDesk) -> None:
    """Set ahead by years and back again: no storm, and nothing is lost."""
    await timed.write()
    await timed.after(0.1)
    timed.clock.set_by = YEARS
    await timed.after(0.01)
    assert timed.fired == []
    timed.clock.set_by = timedelta(0)
    await timed.after(2.9)
    assert timed.mails() == ["jan"]


@simulated
async def test_a_clock_that_stays_ahead_fires_each_once(timed: TimedDesk) -> None:
    await timed.write()
    await timed.after(0.1)
    timed.clock.set_by = YEARS
    await timed.after(1)
    assert sorted(set(timed.mails())) == ["ewa", "jan", "omar"]
    fired = len(timed.fired)
    timed.clock.set_by = timedelta(0)
    await timed.after(24)
    assert len(timed.fired) == fired


@simulated
async def test_what_came_while_the_clock_was_ahead_is_not_lost(timed: TimedDesk) -> None:
    """Delivery tells the store that the clock was set; from then on the promise counts."""
    timed.clock.set_by = YEARS
    await timed.write()
    await timed.after(0.1)
    timed.clock.set_by = timedelta(0)
    await timed.desk.store.pull_forward(timed.clock(), timed.clock() + HOUR)
    await timed.after(5)
    assert (await timed.conversation()).standing.overdue
    await timed.after(5)
    assert (await timed.conversation()).owner == "omar"


@simulated
async def test_an_answer_stops_what_was_to_come(timed: TimedDesk) -> None:
    await timed.write()
    await timed.after(1)
    known = await timed.conversation()
    await timed.desk.store.act(_answered(timed, known))
    await timed.after(24 * 13)
    assert timed.fired == []
    assert (await timed.conversation()).standing.state is ConversationState.ANSWERED
    await timed.after(24 * 1.2)
    assert (await timed.conversation()).standing.state is ConversationState.CLOSED


@simulated
async def test_a_timer_that_fails_keeps_no_other_waiting(timed: TimedDesk) -> None:
    """It is tried again an hour later, not again and again."""
    await timed.write(1)
    await timed.write(2)
    house, tries = timed.timekeeper._house, []

    def new_id(at: datetime) -> QueueId:
        tries.append(at)
        if len(tries) == 1:
            raise ZeroDivisionError
        return house(timed.desk.live).new_id(at)

    timed.timekeeper._house = lambda live: replace(house(live), new_id=new_id)
    await timed.after(3.9)
    assert (timed.mails(), len(tries)) == (["jan"], 2)
    await timed.after(0.2)
    assert timed.mails() == ["jan", "jan", "ewa", "ewa"]


@daily
async def test_each_day_has_its_summary(timed: TimedDesk) -> None:
    """At noon; who has nothing open gets none."""
    await timed.write()
    await timed.after(1.9)
    assert timed.fired == []
    await timed.after(0.2)
    assert timed.mails() == ["jan"]
    await timed.after(48)
    assert timed.mails() == ["jan"] * 3


@daily
async def test_a_summary_that_was_missed_comes_once(timed: TimedDesk) -> None:
    """And the next at its hour, also where the clock was years ahead meanwhile."""
    await timed.write()
    await timed.after(1)
    timed.clock.move(HOUR * 24 * 5)
    await timed.after(0.5)
    assert timed.mails() == ["jan"]
    timed.clock.set_by = YEARS
    await timed.after(1)
    timed.clock.set_by = timedelta(0)
    before = len(timed.mails())
    assert before <= 2
    await timed.after(24)
    assert len(timed.mails()) == before + 1


@daily
async def test_a_reload_sets_summaries_anew_and_loses_none(timed: TimedDesk) -> None:
    await timed.write()
    await timed.after(1)
    later = timed.desk.live.settings.model_copy(update={"digest": time(15)})
    timed.desk.live = replace(timed.desk.live, settings=later)
    await timed.after(3.9)
    assert timed.fired == []
    await timed.after(0.2)
    assert timed.mails() == ["jan"]


def _answered(timed: TimedDesk, known: Conversation) -> Deed:
    at, live = timed.clock(), timed.desk.live

    def settle(state: FullDeskState) -> Settled:
        after = replace(known, standing=after_message(known.standing, Voice.MEMBER, at))
        plan = plan_with_timers(unchanged(after), state, timed.timekeeper._house(live), at)
        return settled(plan, state, live, KEYS)

    return Deed(known.id, at, settle)


def leaving(test: Any) -> Any:
    away = SETTINGS.members["jan"].model_validate(
        {"mailbox": "jan@mail.example.com", "away": "2026-01-16", "deputy": "ewa", "handover": "all"}
    )
    return simulated(test, SETTINGS.model_copy(update={"members": {**SETTINGS.members, "jan": away}}), "")


@leaving
async def test_a_planned_absence_hands_over_all_when_it_begins(timed: TimedDesk) -> None:
    """Once; and what its owner leaves goes with a note to who stands in for him."""
    await timed.write()
    await timed.after(13)
    assert (await timed.conversation()).owner == "jan"
    await timed.after(3)
    conversation = await timed.conversation()
    assert (conversation.owner, conversation.standing.watchers) == ("ewa", ("jan",))
    await timed.after(12)
    assert timed.mails() == ["ewa"]


@simulated
async def test_who_goes_away_is_counted_at_the_next_look(timed: TimedDesk) -> None:
    """And no longer when he is there again, though the last count of conversations was but seconds ago."""
    counted = partial(timed.desk.metrics.registry.get_sample_value, "routerd_away_members")
    await timed.timekeeper.look()
    assert counted() == 0
    for change, count in ((Absence("jan", AbsenceSource.COMMAND, NOW, None), 1), (Back("jan"), 0)):
        plan = replace(AWAY, absences=(change,))
        settle = partial(settled, plan, live=timed.desk.live, trace_keys=KEYS)
        await timed.desk.store.act(Deed(None, NOW, settle))
        timed.clock.move(timedelta(seconds=5))
        await timed.timekeeper.look()
        assert counted() == count


@simulated
async def test_who_gets_a_conversation_by_a_failed_delivery_gets_what_was_said_before(timed: TimedDesk) -> None:
    """Its owner's mailbox takes no more mail: the next in line has the message, then all else of it, and a summary;
    once, whatever else comes in the conversation meanwhile."""
    await timed.write()
    await timed.write(2, "References: <1@klient.pl>\r\n")
    first, second = timed.desk.copies
    assert (first.member, second.member) == ("jan", "jan")

    def line(_: frozenset[str]) -> NewCopy:
        return NewCopy("ewa", "ewa@example.com", "smtp:m:25", Role.OWNER)

    failed = Reroute("550 5.1.1 no such mailbox", line)
    await timed.desk.store.conclude(second, failed, timed.clock())
    assert (await timed.conversation()).owner == "ewa"
    await timed.write(3, "References: <2@klient.pl>\r\n")
    await timed.after(1)
    assert [(copy.message, copy.member, copy.role) for copy in timed.fired] == [
        (first.message, "ewa", Role.WATCHER),
        (timed.fired[1].message, "ewa", Role.DESK),
    ]
    summary = MessageView(await timed.desk.store.content(timed.fired[1])).whole_text
    assert "This conversation of support@example.com is yours now; it was jan's" in summary
    assert "could not be delivered" in summary
    with QueueView.open(timed.folder) as view:
        whole = view.conversation("1@klient.pl")
    assert whole is not None
    changed = [event.data for event in whole.events if event.kind == "owner_changed"]
    assert [(one["from"], one["to"]) for one in changed] == [("jan", "ewa")]
    await timed.after(3)
    again = [copy for copy in timed.fired if (copy.message, copy.member) == (first.message, "ewa")]
    assert len(again) == 1


@simulated
async def test_who_gets_a_first_message_by_a_failed_delivery_gets_nothing_else(timed: TimedDesk) -> None:
    await timed.write()

    def line(_: frozenset[str]) -> NewCopy:
        return NewCopy("ewa", "ewa@example.com", "smtp:m:25", Role.OWNER)

    failed = Reroute("550 5.1.1 no such mailbox", line)
    await timed.desk.store.conclude(timed.desk.copies[-1], failed, timed.clock())
    await timed.after(1)
    assert timed.fired == []
