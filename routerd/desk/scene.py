"""What a command is obeyed in: who says it, where and when, and how far the work on its mail has come. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from routerd.desk.changes import HeldId, Resent
from routerd.desk.matter import House
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan, Standing
from routerd.desk.roster import Roster

NO_CONVERSATION = "this mail belongs to no conversation; write it as a reply to one of its mails"


class ForbiddenError(Exception):
    """Why a command cannot be obeyed, and what would be right. `shows`: the held answer that is told of by this.
    `brings`: earlier mails that the speaker gets along with it."""

    def __init__(self, problem: str, shows: HeldId | None = None, brings: tuple[Resent, ...] = ()) -> None:
        super().__init__(problem)
        self.shows = shows
        self.brings = brings


@dataclass(frozen=True, slots=True)
class Scene:
    """Who speaks, where and when."""

    member: str
    at: datetime
    state: FullDeskState
    house: House

    @property
    def roster(self) -> Roster:
        return self.house.roster


@dataclass(frozen=True, slots=True)
class Work:
    """As far as it is done. `told`: what the speaker is to be told, in paragraphs."""

    plan: Plan
    conversation: Conversation | None  # as it was
    told: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        """Of the conversation that the mail belongs to. Raises ForbiddenError where it belongs to none."""
        if self.conversation is None:
            raise ForbiddenError(NO_CONVERSATION)
        return self.plan.standing

    def now(self) -> Conversation:
        """The conversation as it is by now. Raises ForbiddenError where there is none."""
        standing = self.standing
        if self.conversation is None:
            raise ForbiddenError(NO_CONVERSATION)
        return replace(self.conversation, owner=self.plan.owner, team=self.plan.team, standing=standing)

    def but(self, *events: Event, **changes: Any) -> "Work":
        """With these changes of the plan and these events."""
        return replace(self, plan=replace(self.plan, events=(*self.plan.events, *events), **changes))

    def telling(self, *paragraphs: str) -> "Work":
        return replace(self, told=(*self.told, *paragraphs))
