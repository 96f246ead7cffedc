"""How a conversation stands after one more message."""

from datetime import datetime

from routerd.desk.plan import ConversationState, Standing, Voice

OPEN, CLOSED = ConversationState.OPEN, ConversationState.CLOSED

# What a message makes of the state it meets; None: there is no conversation yet. Who writes as a member and begins one
# asks like a customer.
STATES: dict[tuple[ConversationState | None, Voice], ConversationState] = {
    (None, Voice.CUSTOMER): OPEN,
    (None, Voice.MEMBER): OPEN,
    (None, Voice.ASIDE): CLOSED,
    (OPEN, Voice.CUSTOMER): OPEN,
    (OPEN, Voice.MEMBER): OPEN,
    (OPEN, Voice.ASIDE): OPEN,
    (CLOSED, Voice.CUSTOMER): OPEN,
    (CLOSED, Voice.MEMBER): CLOSED,
    (CLOSED, Voice.ASIDE): CLOSED,
}


def after_message(
    before: Standing | None,
    voice: Voice,
    now: datetime,
    *,
    labels: tuple[str, ...] = (),
    respond_by: datetime | None = None,
    also: tuple[tuple[str, str], ...] = (),
) -> Standing:
    """`before` None: the message begins the conversation. All else is what was decided for this message.

    Promised is an answer to who waits for one: not to a member's own, nor to a machine.
    """
    state = STATES[before.state if before else None, voice]
    if before is None:
        waits = state is OPEN
        return Standing(labels, 1, state, now if waits else None, respond_by if waits else None, also)
    if voice is Voice.MEMBER:
        waiting_since = promised = None
    else:
        waiting_since, promised = before.waiting_since, before.respond_by
    if voice is Voice.CUSTOMER:
        waiting_since = waiting_since or now
        promised = min((at for at in (promised, respond_by) if at is not None), default=None)
    return Standing(
        labels=tuple(dict.fromkeys((*before.labels, *labels))),
        messages=before.messages + 1,
        state=state,
        waiting_since=waiting_since,
        respond_by=promised,
        also=tuple({**dict(before.also), **dict(also)}.items()),
    )
