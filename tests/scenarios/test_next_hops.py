"""What happens when copies cannot be delivered, with the real daemon and real next hops."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotated import value
from peers.daemon import RouterdDaemon
from peers.load import SmtpSink
from peers.postfix import Postfix

INVOICE = (
    b"From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: Faktura 7\r\nMessage-ID: <7@klient.pl>\r\n\r\n"
    b"Dzie\xc5\x84 dobry\r\n"
)


def test_copies_wait_for_a_next_hop_that_is_down_and_arrive_when_it_is_back(
    routerd: Callable[..., RouterdDaemon],
    sink: Callable[..., SmtpSink],
    swaks: Callable[..., str],
    free_port: Callable[[], int],
    tmp_path: Path,
    wait_until: Any,
) -> None:
    """Meanwhile `queue list` shows each with its reason and its next attempt."""
    port = free_port()
    daemon = routerd(delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{port}", tls: none}}')
    swaks(daemon.smtp_port, INVOICE, sender="anna@klient.pl", recipients=["support@example.com"])
    daemon.wait_for_event("copy_deferred")

    def listed() -> Any:
        found = daemon.command("queue", "list", "--json")
        assert found.returncode == 0, found.stderr
        copies = json.loads(found.stdout)
        return copies if copies and copies[0]["reason"] else None

    [copy] = wait_until(listed, "the copy in the queue")
    assert copy["state"] == "queued"
    assert copy["member"] == "ewa"
    assert "127.0.0.1" in copy["reason"]
    assert copy["next_attempt_at"]
    shown = daemon.command("queue", "list")
    assert copy["copy"] in shown.stdout
    kept = tmp_path / "kept"
    kept.mkdir()
    back = sink(captured=kept, port=port)
    [message] = wait_until(back.messages, "the copy at the sink", trouble=lambda: daemon.log_text()[-3000:])
    assert b"X-Assigned-To: ewa@mail.example.com" in message
    wait_until(lambda: json.loads(daemon.command("queue", "list", "--json").stdout) == [], "an empty queue")


def test_a_refused_mailbox_hands_its_copy_to_the_next_in_line(
    routerd: Callable[..., RouterdDaemon], behind: Callable[..., Postfix], swaks: Callable[..., str], wait_until: Any
) -> None:
    """ewa has no mailbox any more: jan, of the same team, gets the copy, with the label and the reason."""
    server = behind("mail.example.com", ["jan", "omar"])
    daemon = routerd(delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}')
    swaks(daemon.smtp_port, INVOICE, sender="anna@klient.pl", recipients=["support@example.com"])
    folder = server.folder / "mail/jan/new"

    def copies() -> list[Path]:
        """Without the postmaster's notice, which jan gets as well."""
        return [path for path in folder.glob("*") if b"\nX-Labels: " in path.read_bytes()]

    [path] = wait_until(copies, "the rerouted copy", trouble=lambda: daemon.log_text()[-3000:])
    head = path.read_bytes().partition(b"\n\n")[0]
    assert value(head, "X-Assigned-To") == "jan@mail.example.com"
    assert value(head, "X-Labels") == "invoice, rerouted"
    assert "rerouted" in value(head, "X-Routerd-Why")
    assert value(head, "X-Routerd-Copy").endswith("-2")
    assert daemon.metric("routerd_reroutes_total") == 1
    assert path.read_bytes().endswith(INVOICE.replace(b"\r\n", b"\n"))


def test_a_copy_that_would_fail_for_everybody_is_held_and_can_be_dropped(
    routerd: Callable[..., RouterdDaemon], behind: Callable[..., Postfix], swaks: Callable[..., str], wait_until: Any
) -> None:
    """Refused for its size: nobody else is bothered, the postmaster sees it in the queue and drops it by hand."""
    server = behind("mail.example.com", ["ewa", "jan"], settings={"message_size_limit": "20000"})
    daemon = routerd(delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}')
    large = INVOICE + b"x" * 70 + b"\r\n" + b"".join(b"line %d\r\n" % number for number in range(4000))
    swaks(daemon.smtp_port, large, sender="anna@klient.pl", recipients=["support@example.com"])

    def held() -> Any:
        copies = json.loads(daemon.command("queue", "list", "--json").stdout)
        return copies if copies and copies[0]["state"] == "held" else None

    copy, *_ = wait_until(held, "the held copy", trouble=lambda: daemon.log_text()[-3000:])  # a notice may follow
    assert "takes messages of 20000 bytes at most" in copy["reason"]
    assert not [path for path in (server.folder / "mail").glob("*/new/*") if path.stat().st_size >= len(large)]
    done = daemon.command("queue", "drop", "--yes", copy["copy"])
    assert done.returncode == 0, done.stderr
    assert copy["copy"] not in daemon.command("queue", "list", "--json").stdout  # the notice may be there
    history = daemon.command("queue", "show", copy["copy"])
    assert "dropped" in history.stdout
