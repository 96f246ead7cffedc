"""The values of what a copy bears on top."""

from dataclasses import dataclass

from routerd.message.light import light


@light
@dataclass(frozen=True, slots=True)
class Annotation:
    """The values of the headers that routerd adds (design: what a copy bears). What is empty is not added."""

    queue_id: str
    inbox: str  # Delivered-To
    assigned_to: str  # the owner's mailbox
    assigned_name: str
    labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    why: str = ""
    also: tuple[tuple[str, str], ...] = ()
    priority: str | None = None  # high | normal | low
    respond_by: str = ""  # RFC 5322 3.3
    headers: tuple[tuple[str, str], ...] = ()  # that rules give
    trace: tuple[str, ...] = ()  # one MAC per inbox, by which a loop is known
    auth_results: str = ""  # the value of Authentication-Results
    arc_chain: str = ""  # what was found of the chain of ARC: none, pass, fail; "": nothing
    received: str = ""  # the value of Received
    cut_authserv_ids: tuple[str, ...] = ()  # Authentication-Results that claim one of these are cut
    cut_headers: tuple[str, ...] = ()  # further headers that are cut: those that some rule may give
    head: bytes = b""  # the header, with its empty line, that takes the place of the message's own
    reply_name: str = ""  # who wrote it, where members may answer him through us
    answered_by: str = ""  # the member who answers a customer by it: what members reply is for colleagues, but for who
    # has it with `reply_name`
