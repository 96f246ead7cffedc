"""How fast rules are read and decided: `python tests/bench/rules.py [--rules 10000] [--rounds 5] [--json]`.

Rules and mail are made up, in three scripts, always the same. Times are of CPU. That of a decision is from a message's
bytes to what the rules say of it, taken in turns with ten rules and with all; medians are given. Exits with 1 where a
bound is missed.
"""

import argparse
import gc
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.daemon import RouterdDaemon
from peers.machine import wait_for
from rule_corpus import Corpus

from routerd.config.load import load_settings
from routerd.message.fold import nfc_visible
from routerd.message.view import MessageView
from routerd.ops.rules_folder import compile_folder
from routerd.rules.facts import Facts
from routerd.rules.ruleset import Ruleset

FEW = 10  # rules
INBOX = "support@example.com"


@dataclass(frozen=True, slots=True)
class Figures:
    rules: int
    load_seconds: float
    daemon_megabytes: float
    few_ms: float  # a decision of 4 KiB with ten rules
    many_ms: float  # with all
    ratio: float
    folding_ms: float  # of `many_ms`: to read and fold the text
    large_ms: float  # a decision of 100 KiB
    most_matches: int  # of 4 KiB
    re_loop_ms: float  # one pattern after the other with `re`, 4 KiB
    re_ratio: float
    few_stems_ms: float  # a decision of 4 KiB with ten rules of stems
    many_stems_ms: float  # with as many as the others are


BOUNDS = {"load_seconds": 3.0, "daemon_megabytes": 200.0, "many_ms": 1.0, "ratio": 1.5, "large_ms": 15.0}


def measure(rules: int, rounds: int, *, daemon: bool = True) -> Figures:
    """With `daemon` False its memory is given as 0."""
    corpus = Corpus()
    files = corpus.rule_files(rules)
    messages, large = corpus.messages(30, 4_096), corpus.messages(3, 100 * 1_024)
    with TemporaryDirectory(prefix="routerd-bench-") as folder:
        few, _ = _load(Path(folder) / "few", Corpus().rule_files(FEW))
        few_stems, _ = _load(Path(folder) / "few-stems", Corpus().stem_files(FEW))
        many_stems, _ = _load(Path(folder) / "many-stems", Corpus().stem_files(rules))
        many, seconds = _load(Path(folder) / "many", files)
        megabytes = _daemon_megabytes(Path(folder) / "daemon", files, messages) if daemon else 0.0
    gc.collect()
    gc.freeze()
    for message in messages:
        _decide(few, message)
        _decide(many, message)
        _decide(few_stems, message)
        _decide(many_stems, message)
    few_ms, many_ms, folding_ms, most = _in_turns(few, many, messages, rounds)
    large_ms = statistics.median(_timed(lambda one=one: _decide(many, one)) for _ in range(rounds + 1) for one in large)
    few_stems_ms, many_stems_ms, _, _ = _in_turns(few_stems, many_stems, messages, rounds)
    loop_ms = _re_loop(files.values(), messages)
    return Figures(
        rules=rules,
        load_seconds=seconds,
        daemon_megabytes=megabytes,
        few_ms=few_ms,
        many_ms=many_ms,
        ratio=many_ms / few_ms,
        folding_ms=folding_ms,
        large_ms=large_ms,
        most_matches=most,
        re_loop_ms=loop_ms,
        re_ratio=loop_ms / many_ms,
        few_stems_ms=few_stems_ms,
        many_stems_ms=many_stems_ms,
    )


def _load(folder: Path, files: dict[str, str]) -> tuple[Ruleset, float]:
    """As the daemon does it, from the files."""
    daemon = RouterdDaemon(folder, rules=files)  # not started: it writes the configuration
    settings = load_settings(daemon.config_path).settings
    assert settings is not None
    found = []
    seconds = _timed(lambda: found.append(compile_folder(settings))) / 1_000
    compiled = found[0]
    if compiled.ruleset is None:
        raise SystemExit("\n".join(map(str, compiled.problems[:20])))
    return compiled.ruleset, seconds


def _daemon_megabytes(folder: Path, files: dict[str, str], messages: Sequence[bytes]) -> float:
    """Resident memory of a daemon that has these rules, after it has decided the messages."""
    import smtplib  # noqa: PLC0415 - for this alone

    with RouterdDaemon(folder, rules=files) as daemon:
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port) as client:
            for message in messages:
                client.sendmail("anna@klient.pl", [INBOX], message, mail_options=["BODY=8BITMIME"])
        wait_for(lambda: daemon.metric("routerd_queue_copies") == 0, "the queue to be empty")
        status = Path(f"/proc/{daemon.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1_000 if found else 0.0


def _in_turns(few: Ruleset, many: Ruleset, messages: Sequence[bytes], rounds: int) -> tuple[float, float, float, int]:
    with_few, with_many, folding, matches = [], [], [], 0
    for number in range(rounds):
        for message in messages:
            for ruleset, times in ((few, with_few), (many, with_many))[:: 1 if number % 2 else -1]:
                times.append(_timed(lambda ruleset=ruleset, message=message: _decide(ruleset, message)))
            folding.append(_timed(lambda message=message: _facts(message).texts.parts("text")))
    for message in messages:
        matches = max(matches, _decide(many, message))
    return statistics.median(with_few), statistics.median(with_many), statistics.median(folding), matches


def _decide(ruleset: Ruleset, message: bytes) -> int:
    """How many rules match."""
    return len(ruleset.decide(_facts(message)).trace.matches)


def _facts(message: bytes) -> Facts:
    return Facts(
        view=MessageView(message),
        sender="anna@klient.pl",
        recipients=(INBOX,),
        inbox=INBOX,
        own_addresses=frozenset([INBOX]),
        internal=False,
        at=datetime(2025, 1, 15, 10, tzinfo=UTC),
    )


def _re_loop(files: Sequence[str], messages: Sequence[bytes]) -> float:
    """The plain way: the terms and patterns of text and subject, each asked of the text without regard to case."""
    found = re.findall(r"(?m)when: \{(?:text|subject): (.*)\}$", "\n".join(files))
    patterns = []
    for value in found:
        regex = re.fullmatch(r"\{regex: '(.*)'\}", value)
        terms = [regex[1]] if regex else [re.escape(term) for term in re.findall(r"'([^']*)'", value)]
        patterns.extend(re.compile(term, re.IGNORECASE) for term in terms)
    texts = [nfc_visible(MessageView(message).new_text) for message in messages[:3]]
    return statistics.median(_timed(lambda text=text: [one.search(text) for one in patterns]) for text in texts)


def _timed(run: Callable[[], object]) -> float:
    """Milliseconds of CPU: what others do on the machine is not counted."""
    began = time.thread_time()
    run()
    return (time.thread_time() - began) * 1_000


def missed(figures: Figures) -> list[str]:
    """The bounds that are missed, in words."""
    found = asdict(figures)
    return [f"{name} is {found[name]:.2f}, above {bound}" for name, bound in BOUNDS.items() if found[name] > bound]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds over 30 messages (default: 10)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = measure(options.rules, options.rounds)
    found = {name: round(value, 3) for name, value in asdict(figures).items()}
    print(json.dumps(found) if options.json else "\n".join(f"{name:18} {value}" for name, value in found.items()))
    for line in missed(figures):
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
