"""What a copy bears on top, and what is cut from it. The body's bytes are never touched."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """The values of the headers that routerd adds (design: what a copy bears)."""

    queue_id: str
    inbox: str  # Delivered-To
    assigned_to: str  # the owner's mailbox
    assigned_name: str
    labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    why: str = ""
    also: tuple[tuple[str, str], ...] = ()
    priority: str | None = None  # high | normal | low
    trace: tuple[str, ...] = ()  # one MAC per inbox, by which a loop is known
    auth_results: str = ""  # the value of Authentication-Results
    received: str = ""  # the value of Received
    cut_authserv_ids: tuple[str, ...] = ()  # Authentication-Results that claim one of these are cut
