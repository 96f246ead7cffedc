"""Several processes on the same ports are one routerd: to clients, to members, and to whoever runs it."""

import contextlib
import os
import re
import signal
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from annotated import value
from peers.certificate import make_certificate
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import wait_for
from peers.worker_processes import children_of, nursery_of, wait_for_workers, worker_of, workers_of

from routerd.store.marks import digest_of
from routerd.web.control import send_command

SEVERAL = f"{CONFIG}workers: 2\n"
RULES = "rules:\n  - {{name: all, when: {{always: true}}, then: {{label: {label}}}}}\n"
MEGABYTES = 2_000_000


@pytest.fixture
def daemon(routerd: Callable[..., RouterdDaemon]) -> RouterdDaemon:
    return routerd(config=SEVERAL, rules={"10.yaml": RULES.format(label="old")})


def mail(subject: str, body: str = "x", more: str = "") -> bytes:
    head = f"From: anna@klient.pl\r\nTo: support@example.com\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n"
    return f"{head}{more}\r\n{body}\r\n".encode()


def send(session: smtplib.SMTP, raw: bytes) -> None:
    session.sendmail("anna@klient.pl", ["support@example.com"], raw)


@contextlib.contextmanager
def one_of_each(daemon: RouterdDaemon) -> Iterator[dict[int, smtplib.SMTP]]:
    """A session with every worker, by its pid. While one is stopped, the others take what comes."""
    with contextlib.ExitStack() as stack:
        found: dict[int, smtplib.SMTP] = {}
        stopped: set[int] = set()
        stack.callback(lambda: [os.kill(pid, signal.SIGCONT) for pid in stopped])
        for _ in wait_for_workers(daemon):
            session = stack.enter_context(smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60))
            assert session.sock is not None
            pid = worker_of(session.sock, daemon)
            found[pid] = session
            os.kill(pid, signal.SIGSTOP)
            stopped.add(pid)
        for pid in tuple(stopped):
            os.kill(pid, signal.SIGCONT)
            stopped.discard(pid)
        assert len(found) == 2
        yield found


def copy_of(subject: str, copies: list[bytes]) -> bytes:
    [found] = [copy for copy in copies if value(copy, "Subject") == subject]
    return found


def test_every_worker_takes_mail_and_metrics_are_of_all(daemon: RouterdDaemon) -> None:
    """Large messages, too, and their bytes are the same."""
    body = "0123456789abcdef\r\n" * (MEGABYTES // 18)
    stored = body.replace("\r\n", "\n").encode()
    with one_of_each(daemon) as sessions:
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"small{number}"))
            send(session, mail(f"large{number}", body))
        assert daemon.metric("routerd_connections") == 2
        copies = daemon.wait_for_copies(4)
    assert sorted(value(copy, "Subject") for copy in copies) == ["large0", "large1", "small0", "small1"]
    assert copy_of("large1", copies).endswith(stored + b"\n")
    assert daemon.metric("routerd_messages_received_total", result="accepted") == 4
    assert daemon.metric("routerd_accept_seconds_count") == 4
    assert daemon.metric("routerd_workers") == 2
    wait_for(lambda: daemon.metric("routerd_connections") == 0, "no connection")


def test_reload_reaches_every_worker(daemon: RouterdDaemon) -> None:
    """When it is done, none decides by the rules before, whenever its client came; nor does one that comes later."""
    with one_of_each(daemon) as sessions:
        (daemon.rules / "10.yaml").write_text(RULES.format(label="new"))
        daemon.wait_for_event("ruleset_reloaded")
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"new{number}"))
        daemon.config_path.write_text(daemon.config_path.read_text().replace("postmaster: duty", "postmaster: ewa"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_event("config_reloaded")
        for session in sessions.values():
            session.sendmail("anna@klient.pl", ["postmaster@example.com"], mail(f"to-ewa{worker_number(session)}"))
    kill(daemon, workers_of(daemon)[0])
    with one_of_each(daemon) as sessions:
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"later{number}"))
    copies = daemon.wait_for_copies(6)
    assert {value(copy, "X-Labels") for copy in copies if not value(copy, "Subject").startswith("to-ewa")} == {"new"}
    assert len(daemon.copies("ewa")) == 2


def worker_number(session: smtplib.SMTP) -> int:
    assert session.sock is not None
    return int(session.sock.getsockname()[1])


def kill(daemon: RouterdDaemon, pid: int) -> None:
    """Returns when another one has its place."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in workers_of(daemon), "its end")
    wait_for_workers(daemon)


def test_killed_worker_takes_nobody_with_it(daemon: RouterdDaemon) -> None:
    """Whose messages it had must send them again; others notice nothing, and the next one has its place."""
    with one_of_each(daemon) as sessions:
        dies, lives = sessions
        kill(daemon, dies)
        send(sessions[lives], mail("after"))
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            send(sessions[dies], mail("lost"))
        sessions[dies].sock = None
    [ended] = daemon.log_events("worker_ended")
    assert (ended["pid"], ended["signal"], ended["worker"] in (0, 1)) == (dies, "SIGKILL", True)
    assert "again_in" not in ended
    assert daemon.metric("routerd_worker_ends_total") == 1
    assert daemon.metric("routerd_workers") == 2
    with one_of_each(daemon) as sessions:
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"again{number}"))
    assert len(daemon.wait_for_copies(3)) == 3


def test_not_ready_while_no_worker_runs(daemon: RouterdDaemon) -> None:
    """Those that die soon after their start leave a gap before the next ones; these take mail again. Metrics tell."""

    def kill_all() -> bool:
        for pid in workers_of(daemon):
            os.kill(pid, signal.SIGKILL)
        is_ready = daemon.http_get("/readyz") != (503, "no worker runs\n")
        return not is_ready and daemon.metric("routerd_workers") == 0

    wait_for(kill_all, "a time without workers")
    wait_for(lambda: daemon.metric("routerd_workers") == daemon.metric("routerd_workers_wanted") == 2, "the next ones")
    assert daemon.http_status("/readyz") == 200
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as session:
        send(session, mail("after"))
    daemon.wait_for_copies(1)


def test_one_process_that_does_all_counts_as_one(routerd: Callable[..., RouterdDaemon]) -> None:
    """So that one alert fits all."""
    daemon = routerd()
    assert (daemon.metric("routerd_workers"), daemon.metric("routerd_workers_wanted")) == (1, 1)


def test_log_tells_when_the_next_one_comes(daemon: RouterdDaemon) -> None:
    """Where that waits, since those before it did not live for long."""

    def waits() -> bool:
        for pid in workers_of(daemon):
            os.kill(pid, signal.SIGKILL)
        return any(event.get("again_in") == "0.5 s" for event in daemon.log_events("worker_ended"))

    wait_for(waits, "one that waits")


def test_scrape_waits_for_no_worker_that_hangs(daemon: RouterdDaemon) -> None:
    """The log says which one it is."""
    [hangs, _] = wait_for_workers(daemon)
    [number] = {event["worker"] for event in daemon.log_events("worker_started") if event["pid"] == hangs}
    os.kill(hangs, signal.SIGSTOP)
    try:
        assert daemon.metric("routerd_workers") == 2
    finally:
        os.kill(hangs, signal.SIGCONT)
    [told] = daemon.wait_for_event("scrape_incomplete")
    assert f"worker {number}" in told["error"]


def test_whoever_looks_at_the_processes_sees_which_is_which(daemon: RouterdDaemon) -> None:
    """Also after a worker was replaced."""
    kill(daemon, wait_for_workers(daemon)[0])
    assert (name_of(daemon.pid), name_of(nursery_of(daemon))) == ("routerd", "routerd-forker")
    assert sorted(map(name_of, workers_of(daemon))) == ["routerd-worker0", "routerd-worker1"]


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_what_killed_a_worker_no_other_one_looks_at(daemon: RouterdDaemon) -> None:
    """It is taken undecided by those who were there and by the next one, and then no suspect any more."""
    raw = mail("deadly")
    [worker, _] = wait_for_workers(daemon)
    marks = next(path for path in daemon.state.glob("in-hand.*") if is_mapped(worker, path))
    with marks.open("r+b") as file:
        file.seek(-32, os.SEEK_END)
        file.write(digest_of(raw))
    kill(daemon, worker)
    with one_of_each(daemon) as sessions:
        first, second = sessions.values()
        send(first, raw)
        wait_for(lambda: daemon.log_events("message_undecided"), "the suspect")
        send(second, mail("harmless"))
        assert len(daemon.log_events("message_undecided")) == 1
    labels = {value(copy, "Subject"): value(copy, "X-Labels") for copy in daemon.wait_for_copies(2)}
    assert labels == {"deadly": "routerd-error", "harmless": "old"}


def is_mapped(pid: int, path: Path) -> bool:
    return f" {path}\n" in Path(f"/proc/{pid}/maps").read_text()


def test_conversation_that_all_move_at_once_is_refused_to_nobody(daemon: RouterdDaemon) -> None:
    """Each message of it is recalled anew until its turn has come, in whichever worker."""
    with one_of_each(daemon) as sessions:
        send(next(iter(sessions.values())), mail("hot"))

    def answer(client: int) -> None:
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as session:
            for number in range(10):
                send(session, mail(f"hot-{client}-{number}", more="References: <hot@x>\r\n"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(answer, range(8)))
    copies = daemon.wait_for_copies(81)
    assert len({value(copy, "Subject") for copy in copies}) == 81
    assert not daemon.log_events("message_refused")


def test_worker_begins_with_the_certificate_in_force(routerd: Callable[..., RouterdDaemon], tmp_path: Path) -> None:
    """Not with what its files hold by then, as halfway through a renewal."""
    certificate, key = make_certificate(tmp_path, "mx1.example.com")
    daemon = routerd(config=f"{SEVERAL}tls: {{{{certificate: {certificate}, key: {key}}}}}\n")
    before = wait_for_workers(daemon)
    key.write_bytes(b"")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not {*before} & {*workers_of(daemon)}, "their end")
    wait_for_workers(daemon)
    assert daemon.log_events("worker_unfit") == []
    trusting = ssl.create_default_context(cafile=certificate)
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as session:
        session._host = "mx1.example.com"  # type: ignore[attr-defined]  # the name that is looked for
        session.starttls(context=trusting)
        send(session, mail("safe"))


def test_drain_tells_the_idle_and_waits_for_what_is_coming(daemon: RouterdDaemon) -> None:
    """In every worker; nobody new gets in, and the exit status is that of a clean end."""
    with one_of_each(daemon) as sessions:
        idle, busy = sessions.values()
        busy.ehlo()
        busy.mail("anna@klient.pl")
        busy.rcpt("support@example.com")
        assert busy.docmd("DATA")[0] == 354
        daemon.signal(signal.SIGTERM)
        assert idle.getreply()[0] == 421
        wait_for(lambda: not accepts(daemon.smtp_port), "closed ports")
        busy.send(mail("late") + b".\r\n")
        assert busy.getreply()[0] == 250
        for session in (idle, busy):
            session.close()
    assert daemon.wait() == 0
    assert len(daemon.copies("jan")) == 1


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_signals_are_the_daemons_alone(daemon: RouterdDaemon) -> None:
    """A terminal or a service manager may send them to every process of the group."""
    with one_of_each(daemon) as sessions:
        for pid in (nursery_of(daemon), *sessions):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"still{number}"))
    assert len(daemon.wait_for_copies(2)) == 2


def test_workers_that_die_one_right_after_the_other_all_begin_anew(daemon: RouterdDaemon) -> None:
    """Also where the next in the first one's place hears, before it has begun, over what the second one died."""
    for seat in range(2):
        with (daemon.state / f"in-hand.{seat}").open("r+b") as marks:
            marks.seek(-32, os.SEEK_END)
            marks.write(bytes([65 + seat]) * 32)
    for pid in wait_for_workers(daemon):
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.015)  # about as long as a fork takes, less than a beginning
    wait_for(lambda: len(daemon.log_events("worker_started")) == 4, "the next two", 60.0)
    with one_of_each(daemon) as sessions:
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"anew{number}"))
    assert len(daemon.wait_for_copies(2)) == 2
    assert not daemon.log_events("link_failed")


@pytest.mark.parametrize("is_stopped", [False, True])
def test_nothing_of_it_outlives_a_killed_daemon(daemon: RouterdDaemon, is_stopped: bool) -> None:
    """All ports are free at once, and the next start finds all that was accepted; also where a worker hears nothing."""
    with one_of_each(daemon) as sessions:
        for number, session in enumerate(sessions.values()):
            send(session, mail(f"kept{number}"))
        others = [nursery_of(daemon), *workers_of(daemon)]
        if is_stopped:
            os.kill(others[-1], signal.SIGSTOP)
        daemon.kill9()
        wait_for(lambda: not any(is_alive(pid) for pid in others), "the end of all")
        for session in sessions.values():
            session.close()
    daemon.start()
    assert {value(copy, "Subject") for copy in daemon.wait_for_copies(2)} == {"kept0", "kept1"}


def test_daemon_ends_with_an_error_when_it_can_fork_no_more(daemon: RouterdDaemon) -> None:
    """Whoever watches it starts it again; what is coming is taken before."""
    nursery = nursery_of(daemon)
    workers = children_of(nursery)
    os.kill(nursery, signal.SIGKILL)
    assert daemon.wait() == 1
    wait_for(lambda: not any(is_alive(pid) for pid in workers), "the end of the workers")
    [failed] = daemon.log_events("daemon_failed")
    assert "forked" in failed["reason"]


def is_alive(pid: int) -> bool:
    """Not waiting for somebody to hear of its end."""
    try:
        return re.search(r"\) ([A-Z]) ", Path(f"/proc/{pid}/stat").read_text())[1] != "Z"  # type: ignore[index]
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_probes_arrive_whichever_worker_takes_them(daemon: RouterdDaemon) -> None:
    """From the moment on in which `check --live` has been given them; nobody gets one."""
    with one_of_each(daemon) as sessions:
        first, second = sessions.values()
        probes = send_command(daemon.state, {"do": "probe"})["addresses"]
        for number, probe in enumerate(probes):
            session = (first, second)[number % 2]
            session.sendmail("", [probe["address"]], mail(f"probe{number}"))
        came = send_command(daemon.state, {"do": "probed"})["came"]
        assert came == {str(probe["number"]): "127.0.0.1" for probe in probes}
        send(first, mail("other"))
    [copy] = daemon.wait_for_copies(1)
    assert value(copy, "Subject") == "other"


def test_port_that_is_taken_is_a_reason_not_to_start(routerd: Callable[..., RouterdDaemon], tmp_path: Path) -> None:
    """As with one process, and none is left behind."""
    made = RouterdDaemon(tmp_path / "refused", config=SEVERAL)
    with socket.create_server(("127.0.0.1", made.smtp_port)):
        made.start(wait=False)
        assert made.wait() == 1
    assert "Address already in use" in made.log_text()
