"""One JSON array on stdout, element by element, so that a long one takes no memory."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click


def print_array(elements: Iterable[Mapping[str, Any]], *, nl: bool = True) -> None:
    """As `json.dumps` with an indent of 2 would have it: ASCII alone. `nl`: and a line end."""
    is_empty = True
    for element in elements:
        click.echo("[" if is_empty else ",", nl=is_empty)
        if not is_empty:
            click.echo()
        text = json.dumps(element, indent=2)
        click.echo("  " + text.replace("\n", "\n  "), nl=False)
        is_empty = False
    click.echo("[]" if is_empty else "\n]", nl=nl)
