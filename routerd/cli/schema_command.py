"""`routerd schema`: JSON Schema of `routerd.yaml` and of rule files, for editors."""

import json
from typing import Any, Literal

import click

Kind = Literal["settings", "rules"]


def schema_of(kind: Kind) -> dict[str, Any]:
    """The draft-07 schema of one kind of file."""
    if kind == "settings":
        from routerd.config.schema import settings_schema  # noqa: PLC0415 - pydantic is slow to import

        return settings_schema()
    from routerd.rules.schema import rules_schema  # noqa: PLC0415

    return rules_schema()


@click.command("schema", short_help="Print a JSON Schema for editors.")
@click.argument("kind", type=click.Choice(["settings", "rules"]), default="settings")
def command(kind: Kind) -> None:
    """Print the JSON Schema of routerd.yaml (settings) or of rule files (rules), for editors.

    Editors with a YAML language server take it from a comment in the first line of a file:

    \b
      # yaml-language-server: $schema=routerd.schema.json
    """
    click.echo(json.dumps(schema_of(kind), indent=2, ensure_ascii=False))
