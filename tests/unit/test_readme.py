"""What the README says is so: its reference is complete, its examples run as they stand.

`ROUTERD_WRITE_README=1 pytest tests/unit/test_readme.py` writes the generated parts anew.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from peers.readme import README, readme_example

from routerd.cli.dkim import command as dkim
from routerd.cli.init import write_starter
from routerd.cli.main import routerd
from routerd.cli.test import place_by
from routerd.config.load import load_settings
from routerd.config.rule_files import load_rule_files
from routerd.config.schema import settings_reference
from routerd.config.settings import RULE_ACTIONS, Settings
from routerd.desk import own_labels
from routerd.desk.own_labels import OWN_LABELS
from routerd.desk.said import COMMANDS
from routerd.ops.metrics import Metrics
from routerd.ops.rejections import REASONS
from routerd.rules.compile import compile_ruleset
from routerd.rules.finding import KINDS as FINDINGS
from routerd.rules.keys import (
    ACTIONS,
    ADDRESS_OPERATORS,
    ASSIGN_KEYS,
    AT_KEYS,
    ATTACHMENT_KEYS,
    BESIDE_OPERATORS,
    CONDITIONS,
    CONVERSATION_KEYS,
    EXPECT_KEYS,
    FILE_KEYS,
    GIVEN_CONVERSATION_KEYS,
    GIVEN_KEYS,
    KINDS,
    MESSAGE_KEYS,
    NUMBER_OPERATORS,
    OTHER_THAN,
    RULE_KEYS,
    TEXT_OPERATORS,
)
from routerd.rules.limits import BASIC_ACTIONS
from routerd.rules.reading.proofs import RESULTS
from routerd.rules.trying.cases import run_case
from routerd.starter import starter_files

STARTER = README.parent / "routerd/starter/routerd.yaml"
SAMPLES = README.parent / "rules.d"


def _metrics_reference() -> str:
    rows = ["| metric | labels | what it is |", "|---|---|---|"]
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_name"):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            labels = " ".join(f"`{label}`" for label in metric._labelnames)
            rows.append(f"| `{name}` | {labels} | {metric._documentation} |")
    return "\n".join(rows)


def _reasons_reference() -> str:
    rows = [f"| `{reason}` | {said} |" for reason, said in REASONS.items()]
    return "\n".join(["| reason | what was refused |", "|---|---|", *rows])


def _own_labels_reference() -> str:
    rows = [f"| `{label}` | {said} |" for label, said in OWN_LABELS.items()]
    return "\n".join(["| label | the message |", "|---|---|", *rows])


def _findings_reference() -> str:
    rows = [f"| `{kind}` | {said} |" for kind, said in FINDINGS.items()]
    return "\n".join(["| finding | what it is |", "|---|---|", *rows])


def _options_reference() -> str:
    """Every option of every command, as `--help` has it."""
    rows = ["| command | option | what it does |", "|---|---|---|"]
    context = click.Context(routerd)
    for name in routerd.list_commands(context):
        command = routerd.get_command(context, name)
        assert command is not None
        group = command.commands if isinstance(command, click.Group) else {"": command}
        having: dict[str, list[str]] = {}  # what stands behind the commands that have the same option
        for below, one in group.items():
            for option in one.params:
                if isinstance(option, click.Option) and "--config" not in option.opts:
                    having.setdefault(f"`{_written(option)}` | {_help(option)} |", []).append(below)
        for told, names in having.items():
            below = "\\|".join(names)
            rows.append(f"| `{f'{name} {below}'.strip()}` | {told}")
    return "\n".join(rows)


def _written(option: click.Option) -> str:
    name = next(name for name in option.opts if name.startswith("--"))
    if option.is_flag:
        return name
    choices = "\\|".join(option.type.choices) if isinstance(option.type, click.Choice) else ""
    return f"{name} {option.metavar or choices or option.type.name.partition(' ')[0].upper()}"


def _help(option: click.Option) -> str:
    assert option.help, option.name
    shown = (
        isinstance(option.default, str | int)
        and option.default != ""
        and not option.is_flag
        and "default" not in option.help
    )
    default = f"; default {option.default}" if shown else ""
    return option.help.rstrip(".").replace("[default", "(default").replace("]", ")").replace("|", "\\|") + default


PARTS = [
    ("settings", settings_reference),
    ("metrics", _metrics_reference),
    ("own labels", _own_labels_reference),
    ("findings", _findings_reference),
    ("reasons", _reasons_reference),
    ("options", _options_reference),
]


@pytest.mark.parametrize(("part", "made"), PARTS)
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


def test_routerd_gives_no_label_that_the_table_lacks() -> None:
    """All of them stand in one file, which the table is made from: nowhere else is a label written out."""
    code = Path(own_labels.__file__).parent.parent
    sources = {path: path.read_text() for path in code.rglob("*.py") if path.name != "own_labels.py"}
    given = re.compile(r"""labels=\(?["']|labels=.{0,60}labels, ["']|\blabels = \(["']""")
    assert not [path for path, source in sources.items() if given.search(source)]
    used = {name for source in sources.values() for name in re.findall(r"own_labels import (.+)", source)}
    constants = {name for name, value in vars(own_labels).items() if isinstance(value, str) and name.isupper()}
    assert {one for names in used for one in names.split(", ")} - {"OWN_LABELS"} == constants
    assert {vars(own_labels)[name] for name in constants} == set(OWN_LABELS)


def test_every_command_and_option_is_named() -> None:
    """A command that the README does not name does not exist for its users."""
    text = README.read_text()
    context = click.Context(routerd)
    for name in routerd.list_commands(context):
        command = routerd.get_command(context, name)
        assert command is not None
        assert f"`{name}" in text, name
        names = list(command.commands) if isinstance(command, click.Group) else []
        assert all(re.search(rf"`{name} [a-z\\|]*\b{one}\b", text) for one in names)
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        missing = [option for option in options if option not in text and option != "--help"]
        assert not missing, f"{name}: {missing}"


def test_every_condition_and_action_that_rules_have_is_named() -> None:
    text = README.read_text()
    section = text[text.index("### Rule files") :]
    assert not [key for key in (*CONDITIONS, *ACTIONS) if not re.search(rf"\b{re.escape(key)}\b", section)]


def test_every_operator_and_key_of_tests_is_named() -> None:
    """A team needs no schema to write rules and their tests."""
    text = README.read_text()
    section = text[text.index("### Rule files") :]
    tables = (TEXT_OPERATORS, ADDRESS_OPERATORS, NUMBER_OPERATORS, ATTACHMENT_KEYS, KINDS, RULE_KEYS, FILE_KEYS)
    tables += (
        MESSAGE_KEYS,
        GIVEN_KEYS,
        EXPECT_KEYS,
        AT_KEYS,
        CONVERSATION_KEYS,
        GIVEN_CONVERSATION_KEYS,
        OTHER_THAN,
        RESULTS,
    )
    assert not [key for table in tables for key in table if not re.search(rf"[`{{ ,]{key}[`:}}, ]", section)]


def test_every_label_of_our_own_is_named() -> None:
    """Whoever meets one in his mail finds what it means."""
    text = README.read_text()
    labels = ("rerouted", "bounce", "thread-suspect", "routerd-error")
    source = "".join(path.read_text() for path in (README.parent / "routerd").rglob("*.py"))
    assert not [label for label in labels if f"| `{label}` |" not in text or f'= "{label}"' not in source]


def _table(name: str) -> list[list[str]]:
    """The cells of each row between `<!-- NAME -->` and `<!-- /NAME -->`, without the head."""
    _, begin, rest = README.read_text().partition(f"<!-- {name} -->\n")
    table, end, _ = rest.partition(f"<!-- /{name} -->")
    assert begin, name
    assert end, name
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()[2:]]


def _examples(*tables: str) -> list[str]:
    """What stands in the last column of each row."""
    cells = [row[-1] for table in tables for row in _table(table)]
    return [cell.strip("`") for cell in cells if cell]


def _mapping(entries: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"


MESSAGE = {"from": "a@far.example", "to": "support@example.com"}
RULE = {"name": "r", "when": "{always: true}", "then": "{label: x}"}
TEST = {"name": "t", "message": _mapping(MESSAGE), "expect": "{labels_exactly: []}"}
TABLES: dict[str, tuple[str, ...]] = {
    "when": ("conditions", "text", "addresses", "numbers", "mappings"),
    "then": ("actions",),
    "message": ("message",),
    "given": ("given",),
    "expect": ("expect",),
}


def _file_with(place: str, example: str) -> str:
    """A rule file that has `example` under `place`."""
    inside = example if example.startswith("{") else f"{{{example}}}"
    if place in RULE:
        return f"rules: [{_mapping({**RULE, place: inside})}]\n"
    if place == "message" and not example.startswith("eml"):
        further = {key: value for key, value in MESSAGE.items() if not example.startswith(f"{key}:")}
        inside = f"{{{example}, {_mapping(further)[1:]}"
    return f"tests: [{_mapping({**TEST, place: inside})}]\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The starter's, with calendars and DNS lists, where rules may do everything."""
    path = tmp_path_factory.mktemp("desk") / "routerd.yaml"
    granted = "limits_of_rules: [{files: '*', actions: [all]}]\n"
    path.write_text(STARTER.read_text() + readme_example("calendars") + readme_example("dns lists") + granted)
    (path.parent / "templates").mkdir()
    (path.parent / "templates" / "received.txt").write_text(readme_example("template received"))
    path.write_text(path.read_text() + "\ntemplates: templates\n")
    loaded = load_settings(path, machine_name=lambda: "mx1.example.com")
    assert loaded.settings is not None
    return loaded.settings


@pytest.mark.parametrize(
    ("place", "example"), [(place, example) for place, tables in TABLES.items() for example in _examples(*tables)]
)
def test_each_example_of_the_reference_is_read(place: str, example: str, settings: Settings) -> None:
    """In its place in a rule file, by the real reader, without a problem; and it is YAML for everybody."""
    lists = {
        "lists/vip.txt": "desk vip",
        "lists/complaint.txt": "desk complaints",
        "lists/accounts.csv": "desk accounts",
    }
    text = _file_with(place, example)
    assert yaml.safe_load(text)
    beside = {"50.yaml": text.encode()}
    compiled = compile_ruleset(beside, settings, read_beside=lambda path: readme_example(lists[path]).encode())
    assert compiled.problems == (), text


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("conditions", CONDITIONS),
        ("text", (*TEXT_OPERATORS, *BESIDE_OPERATORS, "in")),
        ("addresses", (*ADDRESS_OPERATORS, "in")),
        ("numbers", NUMBER_OPERATORS),
        ("mappings", (*ATTACHMENT_KEYS, *AT_KEYS, *CONVERSATION_KEYS, *RESULTS)),
        ("actions", (*ACTIONS, *ASSIGN_KEYS)),
        ("message", MESSAGE_KEYS),
        ("given", (*GIVEN_KEYS, *GIVEN_CONVERSATION_KEYS)),
        ("expect", EXPECT_KEYS),
    ],
)
def test_each_key_stands_in_its_table(table: str, keys: Iterable[str]) -> None:
    """Nobody has to look for a key in prose."""
    rows = " ".join(" ".join(row) for row in _table(table))
    assert not [key for key in keys if not re.search(rf"[`{{ ]{key}[`:, ]", rows)]


def test_each_command_of_members_stands_in_its_table() -> None:
    """And nothing else does."""
    assert [re.findall("#([a-z]+)", row[0])[0] for row in _table("member commands")] == list(COMMANDS)


def test_the_actions_that_need_a_grant_are_marked() -> None:
    """As the reader has it: those that are no basic ones, by the name that `limits_of_rules` has for each."""
    marked = {row[2].strip("`") for row in _table("actions")} - {""}
    assert marked == {action for action in RULE_ACTIONS if action != "all"}
    assert not marked & BASIC_ACTIONS


def test_links_lead_somewhere() -> None:
    """Each `#…` is a heading, as GitHub names it."""
    text = README.read_text()
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?s)```.*?```", "", text))
    known = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not [link for link in re.findall(r"\]\(#([^)]*)\)", text) if link not in known]


def test_all_yaml_reads_alike_in_every_parser() -> None:
    """libyaml takes more than editors and other tools do: what people copy from us is YAML for all of them."""
    examples = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) >= 4
    samples = [path.read_text() for path in sorted(SAMPLES.glob("*.yaml"))]
    for text in (*examples, *samples, STARTER.read_text()):
        assert yaml.load(text, Loader=yaml.SafeLoader)


def test_the_config_behind_postfix_is_right(tmp_path: Path) -> None:
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("behind postfix"))
    assert load_settings(path).problems == ()


def test_the_limits_are_right(tmp_path: Path) -> None:
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("behind postfix") + readme_example("limits"))
    assert load_settings(path).problems == ()


def test_the_calendars_are_right(tmp_path: Path) -> None:
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("behind postfix") + readme_example("calendars"))
    settings = load_settings(path).settings
    assert settings is not None
    assert list(settings.calendars) == ["office", "night"]


def test_the_config_of_the_mx_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before the service has run; the service itself wants each file that systemd is told to hand to it."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("as the mx"))
    assert load_settings(path).problems == ()
    handed = re.findall(r"(?m)^LoadCredential=(\S+):/", readme_example("credentials"))
    wanted = [problem.message for problem in load_settings(path, in_service=True).problems]
    assert [message.partition(" ")[0] for message in wanted] == [
        f"/run/credentials/routerd.service/{name}" for name in handed
    ]
    unit = (README.parent / "systemd/routerd.service").read_text()
    assert all(f"LoadCredential={name}:" in unit for name in handed)


def test_the_routes_by_mx_are_right(tmp_path: Path) -> None:
    path = tmp_path / "routerd.yaml"
    config = readme_example("behind postfix")
    path.write_text(config[: config.index("delivery:")] + readme_example("by mx"))
    assert load_settings(path).problems == ()


def test_the_listeners_for_members_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the certificate of the MX; the passwords are what `routerd password` has yet to make."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "routerd.yaml"
    mx = readme_example("as the mx").replace("listen:\n  - {systemd: smtp}\n", "")
    path.write_text(mx + readme_example("logins"))
    assert load_settings(path, reads_secrets=False).problems == ()
    (missing,) = load_settings(path).problems
    assert missing.message.endswith("'routerd password MEMBER' makes it")


def test_the_listener_behind_a_load_balancer_is_right(tmp_path: Path) -> None:
    path = tmp_path / "routerd.yaml"
    listen = 'listen:\n  - {address: "127.0.0.1:10025"}\n'
    path.write_text(readme_example("behind postfix").replace(listen, "") + readme_example("proxies"))
    assert load_settings(path).problems == ()


def test_the_key_that_signs_is_right(tmp_path: Path) -> None:
    """Made by the command that stands there."""
    path = tmp_path / "routerd.yaml"
    path.write_text(readme_example("behind postfix") + readme_example("dkim"))
    made = CliRunner().invoke(dkim, ["keygen", "example.com", "s2026", "--file", str(tmp_path / "s2026.pem")])
    assert made.exit_code == 0
    assert load_settings(path).problems == ()


def test_the_lead_s_desk_is_right(tmp_path: Path) -> None:
    """Its config beside what the postmaster says, and its rules under it; nothing in them is most likely not meant."""
    path = tmp_path / "routerd.yaml"
    beside = "hostname: mx1.example.com\npostmaster: lead\n"
    beside += "delivery:\n  - {domain: '*', smtp: mail.example.com:25, trusts_us: true}\n"
    path.write_text(beside + readme_example("leading"))
    loaded = load_settings(path)
    assert loaded.problems == ()
    assert loaded.settings is not None
    compiled = compile_ruleset({"70-promises.yaml": readme_example("leading rules").encode()}, loaded.settings)
    assert compiled.problems == ()


def test_the_lead_s_rules_spoil_none_of_those_that_init_writes(tmp_path: Path) -> None:
    """Beside them, all tests of both hold."""
    write_starter(tmp_path, {**starter_files(), "rules.d/70-promises.yaml": readme_example("leading rules").encode()})
    path, duty = tmp_path / "routerd.yaml", "  duty: {members: [jan], pick: first}\n"
    more = 'hostname: mx1.example.com\nlimits_of_rules:\n  - {files: "*", actions: [all]}\n'
    path.write_text(path.read_text().replace(duty, f"{duty}  lead: {{members: [omar]}}\n") + more)
    loaded = load_settings(path)
    assert loaded.settings is not None, loaded.problems
    read = load_rule_files(loaded.settings.rules)
    compiled = compile_ruleset(read.files, loaded.settings, read_beside=read.read_beside)
    assert compiled.ruleset is not None, compiled.problems
    ran = [run_case(case, compiled.ruleset, place_by(loaded.settings)) for case in compiled.cases]
    assert [(one.case.name, one.differences, one.error) for one in ran if not one.met] == []


def test_the_members_page_knows_every_command() -> None:
    """One screen has room for all of them."""
    text = README.read_text()
    page = text[text.index("## Your mailbox is the desk") : text.index("## Leading a desk")]
    assert not [command for command in COMMANDS if f"#{command}" not in page]
    assert len(page.splitlines()) <= 50
