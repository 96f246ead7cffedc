"""How fast `routerd replay` is, and whether what it says of many messages is right.

`python tests/bench/replay.py [MESSAGES]` prints messages a second with one process and with two, on two rulesets.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "scenarios"))

from replay_mail import messages, write_desk, write_maildir, write_mbox

from routerd.config.load import load_settings
from routerd.message.view import MessageView
from routerd.ops.rules_folder import compile_folder
from routerd.rules.facts import Facts
from routerd.rules.reading.cases import CLOCK


@dataclass(frozen=True, slots=True)
class Measured:
    jobs: int
    messages: int
    seconds: float
    said: dict[str, Any]

    @property
    def a_second(self) -> float:
        return self.messages / self.seconds

    def __str__(self) -> str:
        return f"{self.jobs} job{'s' if self.jobs > 1 else ''}: {self.a_second:,.0f} messages/s ({self.seconds:.1f} s)"


def measure(folder: Path, count: int, jobs: int) -> Measured:
    """`folder` as `prepare` left it. Starting Python and compiling both rulesets is part of it."""
    command = [sys.executable, "-m", "routerd.cli.main", "replay", "mail", "--against", "new.d", "--json"]
    began = time.perf_counter()
    done = subprocess.run([*command, "--jobs", str(jobs)], cwd=folder, capture_output=True, check=True)
    return Measured(jobs, count, time.perf_counter() - began, json.loads(done.stdout))


def prepare(folder: Path, count: int) -> None:
    """Half of the messages in a Maildir, half in an mbox."""
    write_desk(folder)
    found = messages(count)
    write_maildir(folder / "mail" / "Maildir", found[: count // 2])
    write_mbox(folder / "mail" / "old.mbox", found[count // 2 :])


def one_by_one(folder: Path, count: int) -> dict[str, object]:
    """What must come of it: a plain loop."""
    settings = load_settings(folder / "routerd.yaml").settings
    assert settings is not None
    rulesets = [compile_folder(settings, folder=folder / name).ruleset for name in ("rules.d", "new.d")]
    changed = Counter[str]()
    owners = (Counter[str](), Counter[str]())
    for raw in messages(count):
        view = MessageView(raw.replace(b"\n", b"\r\n"))
        to = view.addresses("to")[0].address
        says = []
        for ruleset, owned in zip(rulesets, owners, strict=True):
            assert ruleset is not None
            inbox = ruleset.names.inboxes[to]
            decision = ruleset.decide(Facts(view, "", (to,), inbox, ruleset.names.own_addresses, False, CLOCK))
            target = decision.assign.target if decision.assign else ruleset.names.defaults[inbox]
            owned[target] += 1
            says.append((target, set(decision.labels), decision.priority, decision.hold, set(decision.watch)))
        before, after = says
        changed.update({"changed": before != after, "owner": before[0] != after[0], "labels": before[1] != after[1]})
    return {**changed, "owners": owners}


def in_short(said: dict[str, Any]) -> dict[str, object]:
    """What `replay` says, as `one_by_one` does."""
    kinds, before, after = said["changed_by_kind"], said["before"], said["after"]
    owners = (Counter(before["owners"]), Counter(after["owners"]))
    return {"changed": said["changed"], "owner": kinds["owner"], "labels": kinds["labels"], "owners": owners}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), count)
        found = [measure(Path(folder), count, jobs) for jobs in (1, 2)]
        for one in found:
            print(one)
        right = one_by_one(Path(folder), count)
        print("right" if all(in_short(one.said) == right for one in found) else "WRONG")
        print(f"{found[0].seconds / found[1].seconds:.2f} times as fast with two")


if __name__ == "__main__":
    main()
