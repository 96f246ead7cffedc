"""Logs: one safe line an event, whatever it holds."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.envelope import Protocol
from routerd.ops import logs

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    logs.configure_logs("json", "info", stream)
    return stream


def _only(stream: io.StringIO) -> dict[str, object]:
    [line] = stream.getvalue().splitlines()
    return json.loads(line)


def test_an_event_is_one_line_of_json_with_time_level_and_event_in_front(lines: io.StringIO) -> None:
    """A reader finds when, how bad and what before anything else, in UTC."""
    log.info("message_accepted", id="01J", size_bytes=12, labels=("a", "b"))
    assert lines.getvalue().count("\n") == 1
    event = _only(lines)
    assert list(event) == ["timestamp", "level", "event", "id", "size_bytes", "labels"]
    assert event["labels"] == ["a", "b"]
    assert str(event["timestamp"]).endswith("Z")
    assert datetime.fromisoformat(str(event["timestamp"])).tzinfo == UTC


def test_below_the_level_nothing_is_written(lines: io.StringIO) -> None:
    """A subject is only ever logged at debug, and stays out at info."""
    log.debug("message_seen", subject="private")
    assert lines.getvalue() == ""


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\u2028", "\ud800"])
@pytest.mark.parametrize("style", ["json", "console"])
def test_control_and_bidi_characters_are_spelled_out(sign: str, style: logs.LogFormat) -> None:
    """A stranger's address can neither forge a line, steer a terminal nor turn text around, as value, key or list."""
    stream = io.StringIO()
    logs.configure_logs(style, "info", stream)
    log.info("recipient_refused", recipient=f"a{sign}b", **{f"k{sign}": [f"c{sign}d"]})
    written = stream.getvalue()
    assert written.count(f"<U+{ord(sign):04X}>") == 3
    assert sign not in written.removesuffix("\n")


def test_letters_of_any_script_stay_as_they_are(lines: io.StringIO) -> None:
    """Polish and Arabic are read, not spelled out."""
    log.info("rule_matched", word="skargę فاتورة")
    assert "skargę فاتورة" in lines.getvalue()


class _Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_odd_values_never_raise(lines: io.StringIO) -> None:
    """Whatever stands in an event, the line is written and is JSON."""
    nested: list[object] = []
    nested.append(nested)
    log.info(
        "odd",
        odd=_Odd(),
        huge=10**10_000,
        nan=float("nan"),
        raw=b"\xff\x00",
        nested=nested,
        error=ValueError("a\nb"),
        at=datetime(2025, 1, 15, tzinfo=UTC),
        wait=timedelta(minutes=5),
        path=Path("/x"),
        protocol=Protocol.SMTP,
        seen={1: {2}},
    )
    event = _only(lines)
    assert event["odd"] == "(a _Odd that cannot be printed)"
    assert event["huge"] == "(an integer of 33220 bits)"
    assert event["nan"] == "nan"
    assert event["raw"] == "\\xff<U+0000>"
    assert event["error"] == "a<U+000A>b"
    assert event["at"] == "2025-01-15T00:00:00+00:00"
    assert event["wait"] == "300s"
    assert event["path"] == "/x"
    assert event["protocol"] == "smtp"
    assert event["seen"] == {"1": [2]}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(value=_VALUES)
def test_any_value_makes_one_line(value: object) -> None:
    """One event is one line that parses, for every value."""
    stream = io.StringIO()
    logs.configure_logs("json", "info", stream)
    log.info("event", value=value)
    _only(stream)


_PLAIN_VALUES = (
    st.integers() | st.text('ab "\\\\{[,:\x7fż', max_size=5) | st.lists(st.text('ab",', max_size=3), max_size=3)
)


@given(values=st.dictionaries(st.sampled_from(["id", "to", "level", "exception"]), _PLAIN_VALUES | _VALUES))
def test_the_short_way_to_a_line_leads_where_the_long_one_does(values: dict[str, object]) -> None:
    """What is written without the processors is what they would have written, to the byte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "_timestamp", lambda: "2025-01-15T00:00:00.000000Z")
        short = logs._quick_line("info", "event", values)
    if short:
        event = {**values, "event": "event", "level": "info", "timestamp": "2025-01-15T00:00:00.000000Z"}
        assert short == logs._render_json(None, "info", event)


def test_most_lines_go_the_short_way() -> None:
    """As those of every message do."""
    assert logs._quick_line("info", "copy_delivered", {"id": "01J", "attempts": 1, "to": ["ewa"], "labels": ()})


def test_a_value_is_bounded(lines: io.StringIO) -> None:
    """A stranger does not fill the disk by one long argument."""
    log.info("event", text="x" * 1_000_000, many=list(range(10_000)))
    assert len(lines.getvalue()) < 6_000


def test_a_traceback_keeps_its_lines_inside_one_line(lines: io.StringIO) -> None:
    """An exception is readable, and still one line; what it quotes is made visible."""
    try:
        raise ValueError("bad \u202e")
    except ValueError:
        log.exception("step_failed", id="01J")
    event = _only(lines)
    assert "Traceback" in str(event["exception"])
    assert "\n" in str(event["exception"])
    assert "<U+202E>" in str(event["exception"])


def test_a_broken_stream_stops_nothing() -> None:
    """A closed pipe under the log does not reach the mail."""
    stream = io.StringIO()
    logs.configure_logs("json", "info", stream)
    stream.close()
    log.info("event")


def test_what_libraries_log_comes_out_in_the_same_form(lines: io.StringIO) -> None:
    """A warning of a library is an event like any other, and a wrong format in it is no error."""
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, logs._Route)]
    logging.getLogger("some.library").warning("odd %s", "thing\n")
    logging.getLogger("some.library").warning("odd %s %s", *["thing"])
    logging.getLogger("some.library").info("chatter")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["event"], first["logger"], first["message"]) == (
        "library_logged",
        "some.library",
        "odd thing<U+000A>",
    )
    assert second["message"] == "odd %s %s"


def test_warnings_are_events(lines: io.StringIO) -> None:
    """Python's own warnings do not write to the terminal beside the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("look out", stacklevel=1)
    assert "look out" in str(_only(lines)["message"])


def test_commands_and_requests_that_libraries_log_are_left_out(lines: io.StringIO) -> None:
    """aiosmtpd's command lines and uvicorn's accesses are not logged beside ours."""
    logging.getLogger("mail.log").warning("session")
    logging.getLogger("uvicorn.access").info("GET /metrics")
    logging.getLogger("uvicorn.error").info("started")
    assert lines.getvalue() == ""


def test_a_second_call_replaces_the_first(lines: io.StringIO) -> None:
    """A logger made at import follows, and no event is written twice."""
    stream = io.StringIO()
    logs.configure_logs("console", "debug", stream)
    logging.getLogger("some.library").error("once")
    log.debug("event_seen", id="01J")
    assert lines.getvalue() == ""
    assert stream.getvalue().count("once") == 1
    assert "event_seen" in stream.getvalue()
    assert "id=01J" in stream.getvalue()


def test_an_unknown_format_or_level_is_refused() -> None:
    """A misspelled option is an error, not silence."""
    with pytest.raises(ValueError, match="loud"):
        logs.configure_logs("json", "loud")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="xml"):
        logs.configure_logs("xml")  # type: ignore[arg-type]


_PLAIN = st.one_of(st.text(max_size=30), st.integers(), st.booleans(), st.none(), st.floats())
_VALUES = st.recursive(
    _PLAIN | st.sampled_from([Protocol.LMTP, Path("/x"), timedelta(1), b"a", {1}]),
    lambda inside: st.lists(inside, max_size=120) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["id", "owner", "labels", "tö"]), _VALUES))
def test_a_line_written_at_once_is_as_one_that_is_made_safe_value_by_value(more: dict[str, object]) -> None:
    """What is plain takes the short way, and nobody can tell."""
    event = {"event": "message_accepted", **more, "level": "info", "timestamp": "2026-01-15T10:00:00.000000Z"}
    safe = logs._make_safe(None, "info", dict(event))
    assert json.loads(logs._render_json(None, "info", dict(event))) == json.loads(logs._encode(safe))
    assert list(json.loads(logs._render_json(None, "info", dict(event)))) == list(safe)
