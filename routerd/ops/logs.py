"""Logs: one event a line, safe to print whatever a stranger put into it.

`configure_logs` is called once by a command that runs the daemon; every room then asks `structlog.get_logger()`.
Events are past participles and their keys are the project's words. What libraries say through `logging` comes out in
the same form, as `library_logged`.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from time import time_ns
from typing import Any, Literal, TextIO

import structlog

from routerd.ops.log_lines import lines_to

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

MAX_TEXT = 4_000  # characters of one value; a stranger decides how long an address or a reply is
MAX_TRACEBACK = 20_000
MAX_ITEMS = 100
MAX_DEPTH = 5
_SMALL = 1 << 62
_SHORT_LINE = 1_000  # characters: no integer in it has MAX_INTEGER_BITS
_IN_FRONT = ("timestamp", "level", "event")
_IN_ITS_PLACE = frozenset((*_IN_FRONT, "exc_info", "exception", "stack_info"))  # keys that have a place of their own
_LEVELS = ("debug", "info", "warning", "error", "critical")
MAX_INTEGER_BITS = 4_096  # str() of an integer is quadratic and refused above 4,300 digits

# C0, DEL and C1 (terminal escapes), bidi controls (a line that reads otherwise than it is), line separators,
# invisible characters, and lone surrogates, which no encoding takes.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_UNSAFE_ANYWHERE = re.compile(f"[{_UNSAFE}]")
_UNSAFE_IN_TRACEBACK = re.compile(f"(?!\n)[{_UNSAFE}]")

# Libraries that speak of each command or request, or of what their embedder has logged already.
_QUIET = {
    "mail.log": logging.ERROR,  # aiosmtpd
    "mail.debug": logging.CRITICAL,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "asyncio": logging.WARNING,
}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False).encode


def visible(text: str, limit: int = MAX_TEXT) -> str:
    """`text` with control, bidi and invisible characters spelled out (`<U+202E>`), and no longer than about `limit`."""
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text)} characters)"
    return text if text.isascii() and text.isprintable() else _UNSAFE_ANYWHERE.sub(_spell, text)


def configure_logs(
    format: LogFormat = "json", level: LogLevel = "info", stream: TextIO | None = None, *, is_shared: bool = False
) -> None:
    """Sends every event of `level` and above to `stream` (default: standard error), and the libraries' with them.

    `is_shared`: other processes write there, too.
    May be called again; the last call holds. Raises ValueError for a format or level that does not exist.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if format not in ("json", "console") or threshold is None:
        raise ValueError(f"no such log format or level: {format}, {level}")
    target = sys.stderr if stream is None else stream
    render = [_render_json] if format == "json" else [_make_safe, _console_renderer(target)]
    structlog.configure(
        processors=[structlog.processors.add_log_level, _add_timestamp, _render_exception, *render],
        wrapper_class=_quick_logger(threshold),
        logger_factory=lines_to(target, is_shared=is_shared),
        cache_logger_on_first_use=False,  # a logger made at import must follow a later call
    )
    _route_standard_logging(threshold)


def _quick_logger(threshold: int) -> type[structlog.typing.FilteringBoundLogger]:
    """structlog's, with a short way for the lines that JSON spells as they are: a third of what the processors cost,
    several times for each message."""
    loggers = structlog.make_filtering_bound_logger(threshold)
    enabled = [name for name in _LEVELS if logging.getLevelNamesMapping()[name.upper()] >= threshold]
    methods = {name: _quick_method(name, getattr(loggers, name)) for name in enabled}
    return type("QuickLogger", (loggers,), methods)


def _quick_method(level: str, by_processors: Callable[..., None]) -> Callable[..., None]:
    def say(self: Any, event: str, *args: Any, **values: Any) -> None:
        line = ""
        if self._processors[-1] is _render_json and not args and not self._context:
            line = _quick_line(level, event, values)
        if line:
            self._logger.msg(line)
        else:
            by_processors(self, event, *args, **values)

    return say


def _quick_line(level: str, event: str, values: Mapping[str, object]) -> str:
    """What `_render_json` gives, where every value is short plain text, a small number, or a list of such texts, so
    that nothing has to be escaped; otherwise "". Looked at once, in the whole line: a quote too many is in a value."""
    if not _IN_ITS_PLACE.isdisjoint(values):
        return ""
    line = f'{{"timestamp":"{_timestamp()}","level":"{level}","event":"{event}"'
    quotes = 12 + 2 * len(values)
    for key, value in values.items():
        kind = type(value)
        if kind is str:
            line += f',"{key}":"{value}"'
            quotes += 2
        elif kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]
            line += f',"{key}":{value}'
        elif kind is list or kind is tuple:
            text = _quick_list(value)  # type: ignore[arg-type]
            if not text:
                return ""
            line += f',"{key}":{text}'
            quotes += 2 * len(value)  # type: ignore[arg-type]
        else:
            return ""
    if len(line) >= _SHORT_LINE or line.count('"') != quotes or "\\" in line:
        return ""
    return f"{line}}}" if line.isascii() and line.isprintable() else ""


def _quick_list(items: Sequence[object]) -> str:
    if not items:
        return "[]"
    if len(items) > MAX_ITEMS or any(type(item) is not str for item in items):
        return ""
    return '["' + '","'.join(items) + '"]'  # type: ignore[arg-type]


def _add_timestamp(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["timestamp"] = _timestamp()
    return event


def _timestamp() -> str:
    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    return f"{_to_the_second(seconds)}.{nanoseconds // 1000:06}Z"


@lru_cache(maxsize=2)
def _to_the_second(seconds: int) -> str:
    """Kept: to write a moment costs more than all else of a line's time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]  # without +00:00


def _render_exception(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """`exc_info` as text. A broken exception must not take the event with it."""
    if "exc_info" not in event:
        return event
    try:
        return structlog.processors.format_exc_info(logger, method, event)
    except Exception as error:
        event.pop("exc_info", None)
        event["exception"] = f"(a traceback that cannot be printed: {type(error).__name__})"
        return event


def _make_safe(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The event's values as JSON knows them, bounded and visible, the three that every line has in front."""
    traceback = event.pop("exception", None)
    safe = {key: _safe_value(event.pop(key, None)) for key in _IN_FRONT}
    for key, value in event.items():
        safe[_safe_key(key)] = value if _is_safe_as_it_is(value) else _safe_value(value)
    if traceback is not None:
        text = str(traceback)[-MAX_TRACEBACK:]  # the end names the error
        safe["exception"] = _UNSAFE_IN_TRACEBACK.sub(_spell, text)
    return safe


@lru_cache(maxsize=512)
def _safe_key(key: object) -> str:
    """The program's own words, so there are few."""
    return visible(str(key), 100)


def _is_safe_as_it_is(value: object) -> bool:
    """By far the most: short plain text and small numbers."""
    if type(value) is str:
        return len(value) <= MAX_TEXT and value.isascii() and value.isprintable()
    return type(value) is int and -_SMALL < value < _SMALL


def _safe_value(value: object, depth: int = 0) -> Any:
    """`value` as text, number, list or mapping. Never raises."""
    try:
        return _plain_value(value, depth)
    except Exception:  # a __str__ or __repr__ that raises, a mapping that changes while it is read
        return f"(a {type(value).__name__} that cannot be printed)"


def _plain_value(value: object, depth: int) -> Any:
    if type(value) is str:  # by far the most
        return visible(value)
    if isinstance(value, Enum):
        return _safe_value(value.value, depth)
    if value is None or isinstance(value, bool | int | float):
        return _plain_number(value)
    if isinstance(value, Mapping | list | tuple | AbstractSet):
        return _plain_collection(value, depth)
    return visible(_plain_text(value))


def _plain_number(value: float | None) -> float | str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        return f"(an integer of {value.bit_length()} bits)"
    return value


def _plain_text(value: object) -> str:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return f"{value.total_seconds():g}s"
        case bytes() | bytearray() | memoryview():
            return bytes(value[: MAX_TEXT * 2]).decode("utf-8", "backslashreplace")
        case str() | PurePath() | BaseException():
            return str(value)
        case _:
            return repr(value)


def _plain_collection(value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {visible(str(key), 100): _safe_value(item, depth + 1) for key, item in _some(value.items())}
    return [_safe_value(item, depth + 1) for item in _some(value)]


def _some(items: Iterable[Any]) -> list[Any]:
    return [item for _, item in zip(range(MAX_ITEMS), items, strict=False)]


def _spell(found: re.Match[str]) -> str:
    return f"<U+{ord(found[0]):04X}>"


def _render_json(logger: object, method: str, event: structlog.typing.EventDict) -> str:
    """What `_make_safe` gives, as JSON."""
    return _plainly_safe(event) or _encode(_make_safe(logger, method, event))


def _plainly_safe(event: structlog.typing.EventDict) -> str:
    """The event's JSON where that by itself shows that all in it is safe; otherwise "".

    As of most it does: it is short, plain, and nothing had to be escaped or is nested. To look at it once, and not at
    value after value, takes half of the time.
    """
    try:
        line = _encode({**{key: event[key] for key in _IN_FRONT}, **event})
    except Exception:  # a value that JSON does not know, or a mapping without an end
        return ""
    is_safe = (
        len(line) <= _SHORT_LINE
        and line.isascii()
        and line.isprintable()
        and "\\" not in line
        and line.count(",") < MAX_ITEMS
        and "{" not in line[1:]
        and "[[" not in line
        and "exception" not in event
    )
    return line if is_safe else ""


def _console_renderer(target: TextIO) -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(
        colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False, pad_event_to=24
    )


class _Route(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            message = str(record.msg)
        structlog.get_logger().log(
            min(
                max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL
            ),  # structlog knows the five levels only
            "library_logged",
            logger=record.name,
            message=message,
            **({"exc_info": record.exc_info} if record.exc_info else {}),
        )


def _route_standard_logging(threshold: int) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Route)]:
        root.removeHandler(handler)
    root.addHandler(_Route())
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger("routerd").setLevel(threshold)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(max(threshold, level))
    logging.captureWarnings(True)
