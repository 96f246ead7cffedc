"""`routerd schema`: JSON Schema of `routerd.yaml` and of rule files, for editors."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import click

Kind = Literal["config", "rules"]
FOLDER = "schemas"  # where `routerd init` writes them, beside routerd.yaml


def schema_of(kind: Kind) -> dict[str, Any]:
    """The draft-07 schema of one kind of file."""
    if kind == "config":
        from routerd.config.schema import settings_schema  # noqa: PLC0415 - pydantic is slow to import

        return settings_schema()
    from routerd.rules.schema import rules_schema  # noqa: PLC0415

    return rules_schema()


def schema_text(kind: Kind) -> str:
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"


def with_schemas(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`files` (relative path → bytes of routerd.yaml, rule files and lists), each that has a schema with the line by
    which editors find it, and the schemas."""
    known = {
        name: _comment(name).encode() + content if name.endswith(".yaml") else content
        for name, content in files.items()
    }
    return known | {f"{FOLDER}/{kind}.json": schema_text(kind).encode() for kind in ("config", "rules")}


def _comment(name: str) -> str:
    up = "../" * (len(PurePosixPath(name).parts) - 1)
    return f"# yaml-language-server: $schema={up}{FOLDER}/{'rules' if up else 'config'}.json\n"


@click.command("schema")
@click.argument("kind", type=click.Choice(["config", "rules"]), default="config")
def command(kind: Kind) -> None:
    """Print the JSON Schema (draft-07) of routerd.yaml (config) or of rule files (rules).

    With it editors complete keys, show what they mean and mark what is wrong. Those with a YAML language server take
    it from a comment in the first line of a file, relative to the file; `routerd init` writes both:

    \b
      routerd schema rules > schemas/rules.json
      # yaml-language-server: $schema=../schemas/rules.json
    """
    click.echo(schema_text(kind), nl=False)
