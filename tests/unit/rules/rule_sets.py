"""Settings, rulesets and messages for the tests of rules."""

from datetime import UTC, datetime
from typing import Any

from routerd.config.settings import DnsList, Settings
from routerd.config.templates import Templates
from routerd.message.compose import Attached, Draft, compose_message
from routerd.message.template import Template
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.decision import Decision
from routerd.rules.facts import Facts
from routerd.rules.names import names_of
from routerd.rules.ruleset import Ruleset

AT = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)


def settings_with(**changes: Any) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx.example.com",
            "postmaster": "duty",
            "members": {
                "ewa": {"mailbox": "ewa@example.com"},
                "jan": {"mailbox": "jan@example.com"},
                "omar": {"mailbox": "omar@example.com"},
            },
            "teams": {
                "finance": {"members": ["ewa", "jan"]},
                "sales": {"members": ["omar", "ewa"]},
                "duty": {"members": ["jan"]},
                "lottery": {"members": ["ewa", "jan"], "pick": "random"},
            },
            "inboxes": {
                "support@example.com": {"default": "duty", "aliases": ["help@example.com"]},
                "billing@example.com": {"default": "finance"},
            },
            "calendars": {
                "office": {"zone": "Europe/Warsaw", "hours": "08:00-17:00", "holidays": ["2025-01-06"]},
                "night": {"zone": "Europe/Warsaw", "days": ["mon-sun"], "hours": "22:00-06:00"},
            },
            "delivery": [{"domain": "*", "smtp": "mail.example.com:25"}],
            **changes,
        }
    )


REPLIES = Templates({name: {"": Template("Thank you", "We have it.\n")} for name in ("received", "closed")})
SETTINGS = settings_with(templates=REPLIES)
ALL_GRANTED = settings_with(limits_of_rules=[{"files": "*", "actions": ["all"]}], templates=REPLIES).model_copy(
    update={"dnsbl": (DnsList(zone="zen.example"), DnsList(zone="two.example"))}
)


def ruleset_of(*files: str, settings: Settings = ALL_GRANTED) -> Ruleset:
    """The files named 1.yaml, 2.yaml, …; problems fail the test."""
    compiled = compile_ruleset({f"{number}.yaml": text.encode() for number, text in enumerate(files, 1)}, settings)
    assert not compiled.problems, "\n".join(map(str, compiled.problems))
    assert compiled.ruleset is not None
    return compiled.ruleset


def problems_of(text: str, settings: Settings = SETTINGS, name: str = "a.yaml") -> list[str]:
    """As `LINE:COL: message`."""
    compiled = compile_ruleset({name: text.encode()}, settings)
    assert (compiled.ruleset is None) is bool(compiled.problems)
    return [f"{problem.mark.line}:{problem.mark.column}: {problem.message}" for problem in compiled.problems]


def raw_message(**parts: Any) -> bytes:
    attachments = tuple(Attached(*attached) for attached in parts.pop("attachments", ()))
    draft: dict[str, Any] = {
        "sender": "Anna Nowak <anna@klient.pl>",
        "to": ("support@example.com",),
        "subject": "Hello",
        "at": AT,
        "text": "Some text.",
        **parts,
    }
    return compose_message(Draft(**draft, attachments=attachments))


def facts_of(raw: bytes | None = None, **changes: Any) -> Facts:
    """`changes` of Facts; all else makes the message."""
    named = ("recipients", "inbox", "internal", "at", "results", "dnsbl", "conversation")
    about = {key: changes.pop(key) for key in named if key in changes}
    envelope = changes.pop("mail_from", "anna@klient.pl")
    return Facts(
        view=MessageView(raw if raw is not None else raw_message(**changes)),
        sender=envelope,
        **{
            "recipients": ("support+vip@example.com",),
            "inbox": "support@example.com",
            "own_addresses": names_of(SETTINGS).own_addresses,
            "internal": False,
            "at": AT,
            **about,
        },
    )


def decision_on(when: str, facts: Facts) -> Decision:
    """One rule with this `when`, on these facts."""
    return ruleset_of(f"rules:\n  - {{name: it, when: {when}, then: {{label: hit}}}}\n").decide(facts)


def holds(when: str, facts: Facts) -> bool:
    return decision_on(when, facts).labels == ("hit",)
