"""Whatever fails between the end of DATA and the decision, the message is not lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from annotated import value
from peers.daemon import RouterdDaemon

# Run by the interpreter before routerd is imported: makes one step fail for messages that bear its name.
FAULTS = """
import os
import routerd.auth.results
import routerd.message.view
import routerd.rules.facts
import routerd.rules.ruleset
import routerd.store.sqlite

def failing(owner, name, mark):
    whole = getattr(owner, name)
    def wrapped(*args, **keys):
        views = [getattr(one, "view", one) for one in args]
        if any(mark in bytes(getattr(view, "raw", b"")) or mark.decode() in repr(view)[:4000] for view in views):
            raise MemoryError(f"forced in {name}")
        return whole(*args, **keys)
    setattr(owner, name, wrapped)

failing(routerd.message.view.MessageView, "addresses", b"fail-in-view")
failing(routerd.auth.results, "believed_results", b"fail-in-verify")
failing(routerd.store.sqlite.SqliteStore, "recall", b"fail-in-recall")
failing(routerd.rules.ruleset.Ruleset, "decide", b"fail-in-decide")
fold = routerd.rules.facts.fold
def deadly(text):
    if "kill-in-decide" in text:
        os.kill(os.getpid(), 9)
    return fold(text)
routerd.rules.facts.fold = deadly
"""
RULES = """\
rules:
  - name: words
    when: {text: nothing of the kind}
    then: {label: found}
"""


@pytest.fixture
def faulty(routerd: Callable[..., RouterdDaemon], tmp_path: Path) -> RouterdDaemon:
    """A daemon in which steps fail for messages that ask for it."""
    (tmp_path / "sitecustomize.py").write_text(FAULTS)
    return routerd(rules={"10-words.yaml": RULES}, environ={"PYTHONPATH": str(tmp_path)})


def _message(mark: str) -> bytes:
    return (
        f"From: a@klient.pl\r\nTo: support@example.com\r\nSubject: {mark}\r\nMessage-ID: <{mark}@klient.pl>\r\n"
        f"References: <{mark}@before>\r\nX-Labels: forged\r\nX-Assigned-To : ceo@example.com\r\n\r\n{mark}\r\n"
    ).encode()


@pytest.mark.parametrize("step", ["view", "verify", "recall", "decide"])
def test_a_step_that_raises_leaves_the_message_to_the_inboxs_default(
    step: str, faulty: RouterdDaemon, swaks: Callable[..., str]
) -> None:
    """With the label routerd-error, forged headers cut all the same, and nothing else changed."""
    message = _message(f"fail-in-{step}")
    swaks(faulty.smtp_port, message, sender="a@klient.pl", recipients=["support@example.com"])
    [copy] = faulty.wait_for_copies(1, "jan")
    head = copy.partition(b"\n\n")[0]
    assert value(head, "X-Labels") == "routerd-error"
    assert value(head, "X-Assigned-To") == "jan@mail.example.com"
    assert b"ceo@" not in copy
    assert b"forged" not in copy
    assert copy.endswith(f"\n\nfail-in-{step}\n".encode())
    [event] = faulty.wait_for_event("message_undecided")
    assert event["id"] == value(head, "X-Routerd-Id")
    assert faulty.metric("routerd_undecided_messages_total") == 1


def test_a_message_that_kills_the_process_is_taken_undecided_the_second_time(
    faulty: RouterdDaemon, swaks: Callable[..., str]
) -> None:
    """The client keeps it when the daemon dies under it; after the restart it is not looked at again, but taken."""
    message = _message("kill-in-decide")
    with pytest.raises(Exception, match="swaks ended"):
        swaks(faulty.smtp_port, message, sender="a@klient.pl", recipients=["support@example.com"])
    assert faulty.wait() == -9
    faulty.start()
    swaks(faulty.smtp_port, message, sender="a@klient.pl", recipients=["support@example.com"])
    [copy] = faulty.wait_for_copies(1, "jan")
    assert value(copy.partition(b"\n\n")[0], "X-Labels") == "routerd-error"
    swaks(faulty.smtp_port, _message("harmless"), sender="a@klient.pl", recipients=["support@example.com"])
    assert any(b"Subject: harmless" in one and b"routerd-error" not in one for one in faulty.wait_for_copies(2, "jan"))
