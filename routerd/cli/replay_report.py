"""What `routerd replay` found, as tables for people and as JSON for programs."""

import json
import sys
from collections import Counter
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from routerd.message.fold import display
from routerd.rules.compile import Compiled
from routerd.rules.ruleset import Rule, Ruleset
from routerd.rules.trying.replay_diff import ASPECTS, Change, Example, Figures, Seen, Tally, never_matched, on_trial

PLAIN_WIDTH = 110  # columns where the output is no terminal
MOST_SHOWN = 20
_MAX_TEXT = 300  # characters of what a cell says


class Report:
    """`before` and `after` are how the folders are called; `after` is None where there was one ruleset only."""

    def __init__(
        self, tally: Tally, before: Compiled, after: Compiled | None, before_name: str, after_name: str
    ) -> None:
        self._tally = tally
        self._before = _ruleset(before)
        self._after = None if after is None else _ruleset(after)
        self._before_name = before_name
        self._after_name = after_name

    def print(self) -> None:
        """To stdout: tables, in colour where it is a terminal."""
        console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=False)
        for part in self._parts():
            console.print(part)

    def _parts(self) -> Iterator[Table | Text | Padding]:
        tally = self._tally
        yield self._heading()
        if self._after is not None:
            yield self._summary()
            if tally.changes:
                yield Text()
                yield self._changes()
        if tally.decided:
            if not tally.changes:  # a table leaves a blank line behind it
                yield Text()
            yield self._figures()
        if tally.decided and (trials := self._trials()):
            yield trials
        yield from self._never_matched()
        yield from self._troubles()

    def _heading(self) -> Text:
        tally = self._tally
        text = Text()
        text.append(_counted(tally.messages, "message"), "bold")
        if tally.not_ours:
            text.append(f" · {tally.not_ours:,} not for an inbox of ours", "dim")
        if tally.broken:
            text.append(f" · {tally.broken:,} broken", "red")
        text.append("\n")
        if self._after is None:
            text.append(_described(self._before_name, self._before), "dim")
        else:
            text.append(f"before  {_described(self._before_name, self._before)}\n", "dim")
            text.append(f"after   {_described(self._after_name, self._after)}", "dim")
        return text

    def _summary(self) -> Text:
        tally = self._tally
        text = Text("\n")
        if not tally.changed:
            return text.append(f"Nothing would change: {_counted(tally.decided, 'message')} alike", "bold green")
        text.append(f"{tally.changed:,} of {_counted(tally.decided, 'message')} would change", "bold")
        text.append(f" ({_percent(tally.changed, tally.decided)}); {tally.unchanged:,} would not\n")
        found = [f"{aspect} {tally.aspects[aspect]:,}" for aspect in ASPECTS if tally.aspects[aspect]]
        return text.append(" · ".join(found), "dim")

    def _changes(self) -> Table:
        table = _table("What would change, by the rule that changes it", expand=True)
        table.add_column("rule and change", ratio=5, overflow="fold")
        table.add_column("messages", justify="right", no_wrap=True)
        table.add_column("for example", ratio=4, overflow="fold")
        for rule, changes in self._tally.by_rule():
            table.add_row(Text(_shown(rule), "bold cyan"), "", "")
            for place, (change, seen) in enumerate(changes, 1):
                what = _indented(_shown(change.what))
                table.add_row(what, f"{seen.messages:,}", _examples(seen), end_section=place == len(changes))
        return table

    def _figures(self) -> Table:
        """Owners, labels and the rest in one table: all share their columns."""
        table = _table("Who would get how much" if self._after else "Who gets how much")
        table.add_column("", min_width=24, overflow="fold")
        for name in ("messages", "") if self._after is None else ("before", "after", "change"):
            table.add_column(name, justify="right", min_width=8)
        before, after = self._tally.before, self._tally.after
        self._add_figures(table, "owner", before.owners, after.owners)
        self._add_figures(table, "label", before.labels, after.labels)
        self._add_figures(table, "priority", _less_none(before.priorities), _less_none(after.priorities))
        self._add_figures(table, "kept back", _kept_back(before), _kept_back(after))
        return table

    def _add_figures(self, table: Table, title: str, before: Counter[str], after: Counter[str]) -> None:
        names = sorted(before | after, key=lambda name: (-max(before[name], after[name]), name))
        if not names:
            return
        table.add_row(Text(title, "bold cyan"))
        for name in names[:MOST_SHOWN]:
            shown = Text(f"  {_shown(name)}")
            if self._after is None:
                table.add_row(shown, f"{before[name]:,}", _percent(before[name], self._tally.decided))
            else:
                table.add_row(shown, f"{before[name]:,}", f"{after[name]:,}", _moved(before, after, name))
        if len(names) > MOST_SHOWN:
            table.add_row(Text(f"  and {len(names) - MOST_SHOWN:,} more (--json has all)", "dim"))
        table.add_section()

    def _trials(self) -> Table | None:
        """What rules on trial met, which without effect is no change; None where there are none."""
        before, after = on_trial(self._before), on_trial(self._after) if self._after else {}
        rules = before | after
        if not rules:
            return None
        table = _table("On trial, without effect", expand=True)
        table.add_column("rule and what it would do", ratio=5, overflow="fold")
        for name in ("messages",) if self._after is None else ("before", "after"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("for example", ratio=4, overflow="fold")
        for name, rule in list(rules.items())[:MOST_SHOWN]:
            sides = [(before, self._tally.before), (after, self._tally.after)][: 1 if self._after is None else 2]
            seen = [figures.trials.get(name, Seen()) if name in known else None for known, figures in sides]
            counts = ["–" if one is None else f"{one.messages:,}" for one in seen]
            table.add_row(Text(_shown(name), "bold cyan"))
            would = _indented(f"would {_shown(rule.then.describe())}")
            table.add_row(would, *counts, _examples(seen[-1] or Seen()), end_section=True)
        if len(rules) > MOST_SHOWN:
            table.add_row(Text(f"and {len(rules) - MOST_SHOWN:,} more (--json has all)", "dim"))
        return table

    def _never_matched(self) -> Iterator[Text | Padding]:
        figures = self._tally.before if self._after is None else self._tally.after
        ruleset = self._after or self._before
        never = never_matched(ruleset, figures)
        if not never or not self._tally.decided:
            return
        heading = Text(f"{_counted(len(never), 'rule')} of {ruleset.rules:,} met no message", "bold")
        yield heading if self._after is None else heading.append(" (after)", "not bold")
        for rule in never[:MOST_SHOWN]:
            place = Text(_place(rule, self._name), "dim", overflow="fold")
            place.append(f"  {_shown(rule.ref.name)}", "not dim")
            yield _indented(place.append("  on trial" if rule.trial else "", "not dim cyan"))
        if len(never) > MOST_SHOWN:
            yield _indented(Text(f"and {len(never) - MOST_SHOWN:,} more (--json has all)", "dim"))

    @property
    def _name(self) -> str:
        return self._after_name or self._before_name

    def _troubles(self) -> Iterator[Text]:
        sides = (
            [("", self._tally.before)]
            if self._after is None
            else [
                (" before", self._tally.before),
                (" after", self._tally.after),
            ]
        )
        for side, figures in sides:
            for rule, messages in figures.failed.most_common(MOST_SHOWN):
                yield Text(f"\n{_shown(rule)} failed{side} on {_counted(messages, 'message')}", "red")
            for rule, messages in figures.unknown.most_common(MOST_SHOWN):
                yield Text(f"\n{_shown(rule)} could not be told{side} of {_counted(messages, 'message')}", "yellow")
        tally = self._tally
        if tally.broken:
            text = Text(f"\n{_counted(tally.broken, 'message')} could not be read", "bold red")
            for wrong in tally.broken_examples:
                text.append(f"\n  {_shown(wrong.place)}: {_shown(wrong.subject)}", "default not bold")
            yield text
        if tally.not_ours and not tally.decided:
            yield Text(
                "\nNo message names an inbox of ours in To, Cc, Delivered-To or X-Original-To: "
                "say with --rcpt to whom they came",
                "yellow",
            )

    def as_json(self) -> str:
        tally = self._tally
        found: dict[str, object] = {
            "messages": tally.messages,
            "not_ours": tally.not_ours,
            "broken": tally.broken,
            "broken_examples": [{"file": one.place, "reason": one.subject} for one in tally.broken_examples],
            "before": _side_as_json(self._before_name, self._before, tally.before),
        }
        if self._after is not None:
            found |= {
                "after": _side_as_json(self._after_name, self._after, tally.after),
                "changed": tally.changed,
                "unchanged": tally.unchanged,
                "changed_by_kind": {aspect: tally.aspects[aspect] for aspect in ASPECTS},
                "changes": [
                    _change_as_json(change, seen) for _, changes in tally.by_rule() for change, seen in changes
                ],
            }
        return json.dumps(found, ensure_ascii=False, indent=2)


def _ruleset(compiled: Compiled) -> Ruleset:
    assert compiled.ruleset is not None  # noqa: S101 - the command ends where a set does not compile
    return compiled.ruleset


def _table(title: str, *, expand: bool = False) -> Table:
    look = box.SIMPLE_HEAD
    return Table(title=title, title_justify="left", title_style="bold", box=look, expand=expand, pad_edge=False)


def _described(name: str, ruleset: Ruleset) -> str:
    files = _counted(len(ruleset.files), "file")
    return f"{_shown(name)}: {_counted(ruleset.rules, 'rule')} in {files}, revision {ruleset.revision}"


def _indented(text: str | Text) -> Padding:
    """On each of the lines that it takes."""
    return Padding(Text(text) if isinstance(text, str) else text, (0, 0, 0, 2), expand=False)


def _examples(seen: Seen) -> Text:
    text = Text()
    for place, example in enumerate(seen.examples):
        text.append("\n" if place else "").append(example.subject or "(no subject)")
        text.append(f"\n{_shown(example.place)}", "dim")
    return text


def _moved(before: Counter[str], after: Counter[str], name: str) -> Text:
    difference = after[name] - before[name]
    if not difference:
        return Text("=", "dim")
    return Text(f"{difference:+,}", "green" if difference > 0 else "red")


def _less_none(priorities: Counter[str]) -> Counter[str]:
    return Counter({name: count for name, count in priorities.items() if name != "none"})


def _kept_back(figures: Figures) -> Counter[str]:
    return +Counter({"held": figures.held, "rejected": figures.rejected})


def _place(rule: Rule, folder: str) -> str:
    return f"{folder.rstrip('/')}/{rule.ref.file}:{rule.mark.line}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _shown(text: str) -> str:
    return display(text, _MAX_TEXT)


def _side_as_json(name: str, ruleset: Ruleset, figures: Figures) -> dict[str, object]:
    return {
        "rules_folder": name,
        "revision": ruleset.revision,
        "rules": ruleset.rules,
        "owners": _sorted(figures.owners),
        "by_default": figures.by_default,
        "labels": _sorted(figures.labels),
        "priorities": _sorted(figures.priorities),
        "held": figures.held,
        "rejected": figures.rejected,
        "matched": _sorted(figures.rules),
        "trials": [
            _trial_as_json(name, rule, figures.trials.get(name, Seen())) for name, rule in on_trial(ruleset).items()
        ],
        "never_matched": [str(rule.ref) for rule in never_matched(ruleset, figures)],
        "unknown": _sorted(figures.unknown),
        "failed": _sorted(figures.failed),
    }


def _trial_as_json(name: str, rule: Rule, seen: Seen) -> dict[str, object]:
    return {
        "rule": name,
        "would": rule.then.describe(),
        "messages": seen.messages,
        "examples": [_example_as_json(example) for example in seen.examples],
    }


def _sorted(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _change_as_json(change: Change, seen: Seen) -> dict[str, object]:
    return {
        "rule": change.rule,
        "kind": change.aspect,
        "change": change.what,
        "messages": seen.messages,
        "examples": [_example_as_json(example) for example in seen.examples],
    }


def _example_as_json(example: Example) -> dict[str, str]:
    return {"subject": example.subject, "file": example.place}
