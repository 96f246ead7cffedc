"""A table for a terminal: columns as wide as they need, and no wider than the terminal together."""

from collections.abc import Collection, Mapping, Sequence

import click

from routerd.cli.paragraphs import columns_of, cut, terminal_width

_GAP = "  "
_NARROWEST_LAST = 12  # columns of the last one, where it is shortened


def print_table(
    rows: Sequence[Mapping[str, str]], *, right: Collection[str] = (), left_out: Sequence[str] = (), rule: bool = False
) -> None:
    """The keys of the first row, which all have, are the heading. Texts must be fit to print.

    Where the terminal is too narrow, the last column is shortened, and before that those `left_out` go, the first of
    them first. Columns `right` stand at their right edge. `rule`: the last row is a sum, below a line.
    """
    if not rows:
        return
    widths = {name: max(map(columns_of, (name, *(row[name] for row in rows)))) for name in rows[0]}
    names, most = _fitting(widths, left_out)
    widths = {name: min(widths[name], most) if name == names[-1] else widths[name] for name in names}
    _print_row({name: name for name in names}, widths, right)
    for number, row in enumerate(rows):
        if rule and number == len(rows) - 1:
            click.echo("─" * (sum(widths.values()) + len(_GAP) * (len(names) - 1)))
        _print_row(row, widths, right)


def _fitting(widths: Mapping[str, int], left_out: Sequence[str]) -> tuple[list[str], int]:
    """The columns that are shown, and how wide the last may be."""
    names, screen = list(widths), terminal_width()
    if screen is None:
        return names, widths[names[-1]]
    for name in (*left_out, None):
        room = screen - sum(widths[kept] + len(_GAP) for kept in names[:-1])
        if room >= min(widths[names[-1]], _NARROWEST_LAST) or name is None:
            break
        if name in names and len(names) > 1:
            names.remove(name)
    return names, max(room, _NARROWEST_LAST)


def _print_row(row: Mapping[str, str], widths: Mapping[str, int], right: Collection[str]) -> None:
    cells = []
    for name, width in widths.items():
        text = cut(row[name], width)
        padding = " " * (width - columns_of(text))
        cells.append(padding + text if name in right else text + padding)
    click.echo(_GAP.join(cells).rstrip())
