"""Every sample message, decided and annotated: what the daemon's own path does, without the daemon."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from peers.daemon import CONFIG, DELIVER_TO_MAILDIRS, REPOSITORY
from peers.golden import FOLDER, Golden, load_golden

from routerd.config.load import load_settings
from routerd.config.rule_files import load_rule_files
from routerd.config.settings import Settings
from routerd.message.annotate import annotate
from routerd.message.annotation import Annotation
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.ruleset import Ruleset

GOLDEN = load_golden()
AT = datetime(2025, 1, 15, 10, tzinfo=UTC)
INBOXES = ("billing@example.com", "support@example.com")  # the home inbox first, as `two-inboxes` has it


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("golden")
    (folder / "rules.d").mkdir()
    path = folder / "routerd.yaml"
    routes = DELIVER_TO_MAILDIRS.format(folder=folder)
    path.write_text(CONFIG.format(folder=folder, smtp_port=2525, lmtp_port=2424, http_port=9925, delivery=routes))
    loaded = load_settings(path)
    assert loaded.settings is not None, loaded.problems
    return loaded.settings


@pytest.fixture(scope="module")
def ruleset(settings: Settings) -> Ruleset:
    files = load_rule_files(REPOSITORY / "rules.d")
    compiled = compile_ruleset(files.files, settings, read_beside=files.read_beside)
    assert compiled.ruleset is not None, compiled.problems
    return compiled.ruleset


def _decide(golden: Golden, ruleset: Ruleset) -> list[Decision]:
    view = MessageView(golden.raw)
    recipients = {address.lower().replace("+web", ""): address for address in golden.recipients}
    return [
        ruleset.decide(
            Facts(
                view=view,
                sender=golden.sender,
                recipients=(recipients[inbox],),
                inbox=inbox,
                own_addresses=frozenset(INBOXES),
                internal=False,
                at=AT,
            )
        )
        for inbox in INBOXES
        if inbox in recipients
    ]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_a_sample_is_decided_as_the_index_says(golden: Golden, ruleset: Ruleset, settings: Settings) -> None:
    """Labels and team, in every encoding in which people write."""
    decisions = _decide(golden, ruleset)
    home = decisions[0]
    team = home.assign.target if home.assign else settings.inboxes[home.inbox].default
    labels = {label for decision in decisions for label in decision.labels}
    assert (team, labels) == (golden.team, golden.labels), [str(match) for match in home.trace.matches]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_a_copy_ends_with_the_sample_less_what_is_forged(golden: Golden) -> None:
    """Nothing that came is changed, whatever it looks like; only forged headers are gone."""
    raw = golden.raw if golden.raw.endswith(b"\r\n") else golden.raw + b"\r\n"
    annotation = Annotation(
        queue_id="01J",
        inbox="support@example.com",
        assigned_to="ewa@mail.example.com",
        assigned_name="Ewa Nowak",
        cut_authserv_ids=("mx1.example.com",),
    )
    annotated = annotate(raw, annotation, "01J-1", may_add_priority=False)
    copy = bytes(annotated.head) + raw[annotated.body_start :]
    added = copy.removesuffix(golden.kept)
    assert copy.endswith(golden.kept)
    assert added.startswith(b"Delivered-To: support@example.com\r\nX-Assigned-To: ewa@mail.example.com\r\n")
    assert added.endswith(b"\r\nX-Routerd-Copy: 01J-1\r\n")


def test_the_index_names_every_sample() -> None:
    """No sample lies about untested, none is named that is not there."""
    named = {golden.name for golden in GOLDEN}
    assert {path.name.removesuffix(".eml") for path in FOLDER.glob("*.eml") if ".kept" not in path.name} == named
    assert {path.name.removesuffix(".kept.eml") for path in FOLDER.glob("*.kept.eml")} <= named


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_line_ends_are_as_they_were_committed(golden: Golden) -> None:
    """A checkout that turns CRLF into LF would make every other test here meaningless."""
    assert golden.raw.count(b"\n") == golden.raw.count(b"\r\n") > 0
