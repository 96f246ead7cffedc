"""What the README says is so: its reference is complete, its examples run as they stand.

`ROUTERD_WRITE_README=1 pytest tests/unit/test_readme.py` writes the generated parts anew.
"""

import os
import re
from pathlib import Path

import click
import pytest
from peers.readme import README, readme_example

from routerd.cli.main import routerd
from routerd.cli.test import place_by
from routerd.config.load import load_settings
from routerd.config.schema import settings_reference
from routerd.ops.metrics import Metrics
from routerd.rules.cases import run_case
from routerd.rules.compile import compile_ruleset
from routerd.rules.keys import ACTIONS, CONDITIONS

STARTER = Path(__file__).parents[2] / "routerd/starter/routerd.yaml"


def _metrics_reference() -> str:
    rows = ["| metric | labels | what it is |", "|---|---|---|"]
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_name"):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            labels = " ".join(f"`{label}`" for label in metric._labelnames)
            rows.append(f"| `{name}` | {labels} | {metric._documentation} |")
    return "\n".join(rows)


@pytest.mark.parametrize(("part", "made"), [("settings", settings_reference), ("metrics", _metrics_reference)])
def test_the_reference_is_what_the_code_says(part: str, made: object) -> None:
    """Every key with its default and help, every metric with its labels."""
    assert callable(made)
    text = README.read_text()
    begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
    before, _, rest = text.partition(begin)
    written, _, after = rest.partition(end)
    wanted = made().strip() + "\n"
    if os.environ.get("ROUTERD_WRITE_README") and written != wanted:
        README.write_text(f"{before}{begin}{wanted}{end}{after}")
        written = wanted
    assert written == wanted


def test_every_command_and_option_is_named() -> None:
    """A command that the README does not name does not exist for its users."""
    text = README.read_text()
    context = click.Context(routerd)
    for name in routerd.list_commands(context):
        command = routerd.get_command(context, name)
        assert command is not None
        assert f"`{name}" in text, name
        names = list(command.commands) if isinstance(command, click.Group) else []
        assert all(re.search(rf"`queue [a-z\\|]*\b{one}\b", text) for one in names)
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        missing = [option for option in options if option not in text and option != "--help"]
        assert not missing, f"{name}: {missing}"


def test_every_condition_and_action_that_rules_have_is_named() -> None:
    text = README.read_text()
    section = text[text.index("### Rule files") :]
    assert not [key for key in (*CONDITIONS, *ACTIONS) if not re.search(rf"\b{re.escape(key)}\b", section)]


def test_the_first_rule_passes_its_own_test() -> None:
    """As written, with the config that `routerd init` writes."""
    loaded = load_settings(STARTER, machine_name=lambda: "mx1.example.com")
    assert loaded.settings is not None
    compiled = compile_ruleset({"20-finance.yaml": readme_example("rule").encode()}, loaded.settings)
    assert compiled.problems == ()
    assert compiled.ruleset is not None
    [result] = [run_case(case, compiled.ruleset, place_by(loaded.settings)) for case in compiled.cases]
    assert result.passed, result.differences


def test_the_config_behind_postfix_is_right(tmp_path: Path) -> None:
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("behind postfix"))
    assert load_settings(path).problems == ()


def test_the_config_of_the_mx_lacks_nothing_but_its_certificate(tmp_path: Path) -> None:
    """The files that it names are not here; everything else is right."""
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("as the mx"))
    problems = load_settings(path).problems
    assert problems
    assert all("/run/credentials/" in problem.message for problem in problems)
