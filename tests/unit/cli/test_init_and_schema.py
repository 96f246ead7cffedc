"""`routerd init` and `routerd schema`, and the options that commands share."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator
from peers.readme import README

from routerd.cli.init import ExistsError, command, write_starter
from routerd.cli.options import load_or_exit
from routerd.cli.schema_command import command as schema_command
from routerd.cli.schema_command import with_schemas
from routerd.config.load import load_settings
from routerd.config.yaml_source import Mapping, Node, Scalar, Sequence, read_yaml
from routerd.starter import starter_files

NAMES = {"routerd.yaml", "rules.d/10-a.yaml"}
FILES = {name: name.encode() for name in sorted(NAMES)}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_init_writes_a_config_that_is_right(tmp_path: Path) -> None:
    """What is written loads without a problem, and keeps state and mail beside it."""
    result = CliRunner().invoke(command, [str(tmp_path / "desk")])
    assert result.exit_code == 0, result.output
    loaded = load_settings(tmp_path / "desk" / "routerd.yaml", machine_name=lambda: "mx1.example.com")
    assert loaded.problems == ()
    assert loaded.settings is not None
    assert loaded.settings.state == tmp_path / "desk" / "state"
    assert loaded.settings.rules == tmp_path / "desk" / "rules.d"
    assert set(loaded.settings.inboxes) == {"support@example.com", "billing@example.com"}
    assert snapshot(tmp_path / "desk") == with_schemas(starter_files())


def test_the_starter_has_the_sample_rules() -> None:
    """The config comes with rules to start from, in an installed wheel and in a checkout."""
    names = list(starter_files())
    assert names[0] == "routerd.yaml"
    assert {name.rpartition("/")[0] for name in names[1:]} == {"rules.d", "rules.d/lists"}
    assert names[1:] == [
        *sorted(name for name in names if name.startswith("rules.d/") and name.endswith(".yaml")),
        *sorted(name for name in names if name.startswith("rules.d/lists/") and name.endswith(".txt")),
    ]


def test_a_list_is_written_as_it_is() -> None:
    """It is no YAML, and has no schema."""
    written = with_schemas(starter_files())
    lists = {name: content for name, content in starter_files().items() if name.endswith(".txt")}
    assert lists == {name: written[name] for name in lists}
    assert lists


@pytest.mark.parametrize("there", ["routerd.yaml", "rules.d/mine.yaml"])
def test_init_never_overwrites(tmp_path: Path, there: str) -> None:
    """Where a config or a rules folder is, init names it, exits with 1 and leaves everything as it is."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"mine")
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path / Path(there).parts[0]} exists already; nothing was written" in result.output
    assert snapshot(tmp_path) == {there: b"mine"}


def test_a_dangling_link_counts_as_there(tmp_path: Path) -> None:
    """A link to nowhere is not written through."""
    (tmp_path / "routerd.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExistsError):
        write_starter(tmp_path, FILES)
    assert not (tmp_path / "elsewhere").exists()


def test_init_says_when_the_disk_refuses(tmp_path: Path) -> None:
    """A file in the place of a folder is a message and exit 1, not a traceback."""
    (tmp_path / "file").write_bytes(b"")
    result = CliRunner().invoke(command, [str(tmp_path / "file" / "desk")])
    assert result.exit_code == 1
    assert result.output.startswith("routerd init: ")


@pytest.mark.parametrize(
    ("arguments", "title"),
    [([], "routerd.yaml"), (["config"], "routerd.yaml"), (["rules"], "routerd rule file")],
)
def test_schema_prints_json(arguments: list[str], title: str) -> None:
    """The config's schema is the default."""
    result = CliRunner().invoke(schema_command, arguments)
    assert result.exit_code == 0
    assert json.loads(result.output)["title"] == title


def test_editors_find_the_schema_of_every_file(tmp_path: Path) -> None:
    """The first line of each leads from the file to a schema that it fits; the README shows that line."""
    CliRunner().invoke(command, [str(tmp_path / "desk")], catch_exceptions=False)
    files = [tmp_path / "desk" / "routerd.yaml", *sorted((tmp_path / "desk" / "rules.d").glob("*.yaml"))]
    for path in files:
        told = path.read_text().partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
        schema = json.loads((path.parent / told).read_text())
        assert schema["title"] == ("routerd.yaml" if path is files[0] else "routerd rule file")
        node = read_yaml(path.name, path.read_bytes()).root
        assert node is not None
        assert [error.message for error in Draft7Validator(schema).iter_errors(as_editors_see(node))] == []
    assert "# yaml-language-server: $schema=../schemas/rules.json" in README.read_text()


def as_editors_see(node: Node) -> Any:
    """Plain scalars typed as YAML has them."""
    if isinstance(node, Mapping):
        return {key.text: as_editors_see(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [as_editors_see(item) for item in node.items]
    assert isinstance(node, Scalar)
    if node.plain and node.text in ("true", "false"):
        return node.text == "true"
    return int(node.text) if node.plain and node.text.isdecimal() else node.text


def test_a_wrong_config_prints_all_problems_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands that need a config show every problem on stderr, each with its place."""
    path = tmp_path / "routerd.yaml"
    path.write_text("hostnam: x\nworkers: many\n")
    with pytest.raises(SystemExit) as caught:
        load_or_exit(path)
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert all(line.startswith(f"{path}:") for line in lines)


def test_no_config_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no config at all, the places that were looked at are said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROUTERD_CONFIG", raising=False)
    monkeypatch.setattr("routerd.config.load.USUAL_PLACES", (Path("routerd.yaml"),))
    with pytest.raises(SystemExit) as caught:
        load_or_exit(None)
    assert caught.value.code == 2
    assert "./routerd.yaml" in capsys.readouterr().err
