"""`routerd check` and `routerd test`."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from peers.certificate import make_certificate

from routerd.cli import test as cli_test
from routerd.cli.check import command as check
from routerd.cli.dkim import command as dkim
from routerd.cli.main import routerd
from routerd.message.dkim_keys import KeyKind, new_private_key

CONFIG = """
hostname: mx.example.com
rules: rules.d
postmaster: jan
members: {jan: {mailbox: jan@example.com}}
inboxes: {support@example.com: {default: jan}}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
"""
GOOD = """
rules: [{name: a, when: {subject: hello}, then: {label: x}}]
tests:
  - {name: it, message: {from: a@b.example, to: support@example.com, subject: Hello}, expect: {labels: x}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "routerd.yaml").write_text(CONFIG)
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "10-a.yaml").write_text(GOOD)
    return tmp_path


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)  # type: ignore[arg-type]


def test_all_is_well(folder: Path) -> None:
    """`ok`, how much there is, and the revision; exit 0."""
    result = run(check)
    assert result.exit_code == 0
    assert result.output.startswith("ok: 1 rule in 1 file, revision ")


def test_every_problem_with_its_place(folder: Path) -> None:
    """All problems of all files, one a line, as the shell would find the file; exit 1."""
    (folder / "rules.d" / "20-b.yaml").write_text("rules:\n  - {name: a, when: {subjct: x}, then: {assign: ann}}\n")
    result = run(check)
    assert result.exit_code == 1
    assert "rules.d/20-b.yaml:2:22: unknown key 'subjct' in when; did you mean 'subject'?\n" in result.output
    assert "rules.d/20-b.yaml:2:49: no member or team 'ann'" in result.output


def test_json_and_github(folder: Path) -> None:
    """The same for programs, and as annotations of a workflow."""
    (folder / "rules.d" / "20-b.yaml").write_text("rules: [{name: a, when: {subject: x}, then: {priority: hihg}}]\n")
    report = json.loads(run(check, "--format", "json").stdout)
    assert report["ok"] is False
    assert report["problems"][0]["line"] == 1
    (line,) = run(check, "--format", "github").stdout.splitlines()
    assert line == "::error file=rules.d/20-b.yaml,line=1,col=56::no priority 'hihg'; did you mean 'high'?"


OWNERS = """
rules:
  - {name: one, when: {subject: parcel}, then: {assign: jan}}
  - {name: other, when: {body: [broken, parcels]}, then: {assign: ewa}ALLOW}
"""


def with_owners(folder: Path, allow: str = "") -> None:
    config = CONFIG.replace("jan@example.com}}", "jan@example.com}, ewa: {mailbox: ewa@example.com}}")
    (folder / "routerd.yaml").write_text(config)
    (folder / "rules.d" / "20-b.yaml").write_text(OWNERS.replace("ALLOW", allow))


def test_findings_with_the_message_that_shows_them(folder: Path) -> None:
    """They stand before the summary, which counts them; exit 0."""
    with_owners(folder)
    result = run(check)
    assert result.exit_code == 0
    finding, sender, to, *_, text, summary = result.stdout.splitlines()
    assert finding.startswith("rules.d/20-b.yaml:4:5: two-owners: 'other' assigns ewa, 'one' (rules.d/20-b.yaml:3:5)")
    assert (sender, to, text) == ("    From: anna@customer.example", "    To: support@example.com", "    parcels")
    assert summary.startswith("ok: 3 rules in 2 files, revision ")
    assert summary.endswith(", 1 finding")


def test_strict(folder: Path) -> None:
    """Findings fail the check, and rules that no test shows are among them."""
    with_owners(folder)
    result = run(check, "--strict")
    assert result.exit_code == 1
    assert "rules.d/20-b.yaml:3:5: untested: " in result.stdout
    assert "not ok: 3 rules" in result.stdout
    assert run(check).exit_code == 0


def test_what_is_allowed_is_not_found(folder: Path) -> None:
    """On either rule of a pair."""
    with_owners(folder, ", allow: [two-owners, untested]")
    assert "two-owners" not in run(check).output
    assert "'other'" not in run(check, "--strict").output


def test_findings_for_programs(folder: Path) -> None:
    """JSON has the kind, the rules and the message; GitHub gets warnings."""
    with_owners(folder)
    report = json.loads(run(check, "--format", "json").stdout)
    (finding,) = report["findings"]
    assert (report["ok"], report["problems"], report["more"]) == (True, [], {})
    assert (finding["kind"], finding["line"]) == ("two-owners", 4)
    assert finding["rules"] == ["20-b.yaml/other", "20-b.yaml/one"]
    assert finding["witness"].startswith("From: ")
    assert json.loads(run(check, "--format", "json", "--strict").stdout)["ok"] is False
    warning = run(check, "--format", "github").stdout.splitlines()[0]
    assert warning.startswith("::warning file=rules.d/20-b.yaml,line=4,col=5::two-owners: 'other' assigns")
    assert "%0AFrom: anna@customer.example%0A" in warning


def test_a_list_that_no_rule_reads(folder: Path) -> None:
    """What a rule names is read; what an editor left behind is no list."""
    lists = folder / "rules.d" / "lists"
    lists.mkdir()
    for name in ("used.txt", "unused.txt", "unused.txt~", ".hidden"):
        (lists / name).write_text("parcel\n")
    rule = "rules: [{name: b, when: {body: {in: lists/used.txt}}, then: {label: x}}]\n"
    (folder / "rules.d" / "20-b.yaml").write_text(rule)
    lines = [line for line in run(check).stdout.splitlines() if "unused-list" in line]
    assert lines == ["rules.d/lists/unused.txt: unused-list: no rule reads lists/unused.txt; name it, or remove it"]


def test_a_message_that_shows_it_does_not_steer_the_terminal(folder: Path) -> None:
    """What a rule asks for may be anything."""
    with_owners(folder)
    rules = folder / "rules.d" / "20-b.yaml"
    odd = OWNERS.replace("ALLOW", "").replace("parcels", '"parcel\\e[2J!"')
    rules.write_text(odd.replace("subject: parcel", 'subject: "parcel\\e[2J"'))
    result = run(check)
    assert "\x1b" not in result.output
    assert "<U+001B>[2j" in result.output


def test_a_bad_config(folder: Path) -> None:
    """Problems of the config are reported too; exit 1."""
    (folder / "routerd.yaml").write_text(CONFIG.replace("postmaster: jan", "postmaster: ann"))
    result = run(check)
    assert result.exit_code == 1
    assert "routerd.yaml:4:13: " in result.output


COMMANDS = [("check",), ("check", "--format", "json"), ("test",), ("run",), ("queue", "list")]


@pytest.mark.parametrize("name", ["none.yaml", "."])
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_config_that_cannot_be_read(
    folder: Path, name: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wording and exit 2 from every command, whether the option or the environment names the file."""
    by_option = run(routerd, *arguments, "-c", name)
    monkeypatch.setenv("ROUTERD_CONFIG", name)
    why = "Is a directory" if name == "." else "No such file or directory"
    for result in (by_option, run(routerd, *arguments)):
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"{name}: cannot be read: {why}\n"


def test_a_file_name_does_not_steer_the_terminal(folder: Path) -> None:
    """Control and bidi characters in it are spelled out by `check` and `test`."""
    odd = folder / "rules.d" / "20-\x1b[2J\u202e.yaml"
    odd.write_text("rules: 1\n")
    results = [run(check), run(check, "--format", "github"), run(cli_test.command)]
    odd.write_text(GOOD.replace("expect: {labels: x}", "expect: {labels: y}"))
    for result in (*results, run(cli_test.command)):
        assert result.exit_code == 1
        assert "20-<U+001B>[2J<U+202E>.yaml" in result.output
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output


def test_a_missing_rules_folder(folder: Path) -> None:
    """It has no line to point at, also not for GitHub."""
    (folder / "rules.d").rename(folder / "elsewhere")
    assert "rules.d: there is no such folder of rules" in run(check).output
    (line,) = run(check, "--format", "github").stdout.splitlines()
    assert line.startswith("::error file=")
    assert line.endswith("rules.d::there is no such folder of rules")


def test_tests_are_run(folder: Path) -> None:
    """Passing tests are counted; exit 0."""
    result = run(cli_test.command, "-c", str(folder / "routerd.yaml"))
    assert (result.exit_code, result.output) == (0, "ok: 1 test\n")


def test_a_failing_test(folder: Path) -> None:
    """What differed is shown with its place; exit 1; the same as JSON."""
    (folder / "rules.d" / "10-a.yaml").write_text(GOOD.replace("labels: x", "labels: y"))
    result = run(cli_test.command)
    assert result.exit_code == 1
    assert "rules.d/10-a.yaml:4:5: 'it' failed" in result.output
    assert "labels: expected [y], got [x]" in result.output
    assert result.output.endswith("1 of 1 test failed\n")
    (found,) = json.loads(run(cli_test.command, "--json").stdout)["tests"]
    assert (found["passed"], found["differences"][0]["key"], found["rules"]) == (False, "labels", ["10-a.yaml/a"])


def test_tests_of_bad_rules_are_not_run(folder: Path) -> None:
    """A ruleset with problems has no tests to run: the problems are shown; exit 1."""
    (folder / "rules.d" / "20-b.yaml").write_text("rules: 1\n")
    result = run(cli_test.command)
    assert result.exit_code == 1
    assert "rules.d/20-b.yaml:1:8: rules must be a list" in result.output


def test_a_certificate_that_ends(folder: Path) -> None:
    """Is a finding, in time and afterwards: mail still comes in by it."""
    for days, said in ((60, None), (10, "certificate: expires on "), (-1, "certificate: expired on ")):
        certificate, key = make_certificate(folder, "mx.example.com", timedelta(days=days, hours=1))
        (folder / "routerd.yaml").write_text(CONFIG + f"tls: {{certificate: {certificate}, key: {key}}}\n")
        result = run(check)
        assert result.exit_code == 0
        first, *_ = result.stdout.splitlines()
        assert first.startswith("ok: ") if said is None else first.startswith(f"{certificate}: {said}")
        assert run(check, "--strict").exit_code == (0 if said is None else 1)


def test_keys_that_sign_nothing_and_notices_that_none_signs(folder: Path) -> None:
    """Both are most likely not meant, and no reason not to start."""
    for domain in ("example.com", "other.test"):
        run(dkim, "keygen", domain, "s1", "--kind", "ed25519", "--file", f"{domain}.pem")
    config = folder / "routerd.yaml"
    config.write_text(CONFIG + "dkim: [{domain: example.com, selector: s1, key: example.com.pem}]\n")
    assert run(check).stdout.startswith("ok: ")
    (folder / "small.pem").write_bytes(new_private_key(KeyKind.RSA, 1024))
    (folder / "small.pem").chmod(0o600)
    config.write_text(CONFIG + "dkim: [{domain: example.com, selector: s1, key: small.pem}]\n")
    assert "small.pem: dkim: this key has 1024 bits; 2048 are usual" in run(check).stdout
    config.write_text(CONFIG + "dkim: [{domain: other.test, selector: s1, key: other.test.pem}]\n")
    result = run(check)
    assert result.exit_code == 0
    assert "other.test.pem: dkim: other.test is the domain of no inbox" in result.stdout
    config.write_text(config.read_text() + "arc_seal: other.test\n")
    assert "other.test.pem" not in run(check).stdout
    assert "routerd.yaml: dkim: no key under 'dkim' is of mx.example.com, " in result.stdout


def test_copies_from_the_inbox_that_none_signs(folder: Path) -> None:
    """Servers that do not trust us would believe their From less than the stranger's."""
    config = folder / "routerd.yaml"
    via = re.sub(r"(support@example\.com: \{)", r"\1replies: through, from_via: true, ", CONFIG)
    assert via != CONFIG
    config.write_text(via)
    result = run(check)
    assert result.exit_code == 0
    assert "dkim: no key under 'dkim' is of example.com: what support@example.com sends by 'from_via'" in result.stdout


TRUSTING = '[{domain: example.com, smtp: "mail.example.com:25", trusts_us: true}'
OUTWARD = '{domain: "*", mx: true}'


@pytest.mark.parametrize(
    ("listen", "is_found"),
    [
        ('{address: "127.0.0.1:2525"}', True),
        ('{address: "127.0.0.1:2525", protocol: lmtp}', True),
        ('{address: "0.0.0.0:25", verify: false}', True),
        ('{address: "0.0.0.0:25"}', False),
        ('{address: "127.0.0.1:2525", verify: true}', False),
        ('{address: "127.0.0.1:2525", members: true}', False),
    ],
)
def test_answers_of_members_whom_nothing_proves(folder: Path, listen: str, is_found: bool) -> None:
    """They would be taken for strangers' mail."""
    config = CONFIG.replace('[{domain: "*", smtp: "mail.example.com:25"}', f"{TRUSTING}, {OUTWARD}")
    (folder / "routerd.yaml").write_text(f"{config}listen: [{listen}]\n")
    result = run(check)
    assert ("nothing here can prove who is a member" in result.stdout) is is_found
    observed = config.replace("{default: jan}", "{default: jan, replies: observe}")
    (folder / "routerd.yaml").write_text(f"{observed}listen: [{listen}]\n")
    assert "answers" not in run(check).stdout


def test_answers_without_a_way_out(folder: Path) -> None:
    config = CONFIG.replace('[{domain: "*", smtp: "mail.example.com:25"}', TRUSTING)
    (folder / "routerd.yaml").write_text(config + "authserv_ids: [mx.example.com]\ntrusted_networks: [127.0.0.1]\n")
    result = run(check)
    assert "answers to customers of support@example.com have no way out: no route is for '*'" in result.stdout
    assert "nothing here can prove" not in result.stdout
