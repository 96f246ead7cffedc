"""Who hears of trouble: the postmaster's people."""

from routerd.desk.changes import Part, PlannedCopy, Role
from routerd.desk.plan import Event, Plan
from routerd.desk.roster import Roster


def notice_plan(roster: Roster, inbox: str, about: str) -> Plan | None:
    """A copy for each of the postmaster's people, but for whom the notice is about: he would not get it.

    `inbox`: the address under which the notice is handled. None: nobody is left to tell.
    """
    people = [one for one in roster.people(roster.postmaster) if str(roster.mailbox(one)).lower() != about.lower()]
    if not people:
        return None
    first, *others = people
    return Plan(
        inbox=inbox,
        owner=first,
        team=roster.postmaster if roster.team(roster.postmaster) else None,
        why="owner by postmaster",
        events=(Event("message_assigned", {"member": first, "why": "notice to the postmaster"}),),
        copies=(PlannedCopy(first, Role.OWNER), *(PlannedCopy(one, Role.TEAMMATE) for one in others)),
        part=Part.TOLD,
    )
