"""Generated rulesets of every key, operator and action, and messages that some of them match."""

import json
from typing import Any

import made_circumstances
from hypothesis import strategies as st
from rule_sets import ALL_GRANTED, facts_of

from routerd.rules.compile import compile_ruleset
from routerd.rules.ruleset import Ruleset

File = dict[str, Any]
Rule = dict[str, Any]

WORDS = [
    "skarga",
    "SKARGĘ",
    "na",
    "fakturę",
    "faktura",
    "Straße",
    "شكوى",
    "بالشكوى",
    "وللشكوى",
    "الفاتورة",
    "fi",
    "x-y",
    "!",
    "skargą",
    "Fakturze",
    "INVOICES",
    "ЖАЛОБУ",
    "المشكله",
    "شكوك",
    "发票",
    "skar\u00adga",
    "Lo\u0301dz\u0301",
]
TERMS = [
    "skarg",
    "skarge",
    "na faktur",
    "STRASSE",
    "شكوى",
    "فاتورة",
    "f",
    "x-y",
    "y x",
    "من شكوى",
    "faktura na",
    "invoice",
    "жалоба",
    "مشكلة",
    "发票",
    "Łódź",
]
WORD_LISTS = ["lists/a.txt", "lists/b.txt"]
LISTS = {
    "lists/a.txt": ["faktura", "skargi", "жалоба"],
    "lists/b.txt": ["شكوى", "Łódź", "nothing", *"abcdeghijklmnopqrs"],
    "lists/c.txt": ["klient.pl", "x@other.example", "*@*.klient.pl"],
    "lists/accounts.csv": ["anna@klient.pl,jan", "klient.pl,finance", "other.example,omar"],
}
LANGUAGES = ["en", "pl"]
PATTERNS = [
    "skarg[aą]",
    "^faktur",
    r"\bfakturę\b",
    "(?-i)SKARG",
    "straße|strasse",
    r"[fx]-?[iy]\b",
    "شكوى",
    r"^\w+ \w+",
    "[!?]",
]
ADDRESSES = [
    "anna@klient.pl",
    "klient.pl",
    "@klient.pl",
    ".pl",
    ".klient.pl",
    "other.example",
    "*@*.klient.pl",
    "Łódź.example",
    "support@example.com",
    {"in": "lists/c.txt"},
]
LABELS = ["red", "green", "blue"]


def some(choices: Any, most: int = 2) -> Any:
    return st.lists(
        choices if isinstance(choices, st.SearchStrategy) else st.sampled_from(choices), min_size=1, max_size=most
    )


# Conditions.

terms = some(st.sampled_from(TERMS) | st.sampled_from(WORD_LISTS).map(lambda path: {"in": path}), 3)
operators = st.sampled_from(["contains", "word", "stem", "equals", "starts_with", "ends_with"])
text_values = (
    terms
    | st.builds(lambda name, found: {name: found}, operators, terms)
    | st.builds(lambda name, found, also: {name: found, "also": also}, operators, terms, terms)
    | st.builds(
        lambda name, found, beside: {name: found, "exact": True, **beside},
        operators.filter(lambda name: name != "stem"),
        terms,
        st.just({}) | terms.map(lambda also: {"also": also}),
    )
    | some(PATTERNS).map(lambda found: {"regex": found})
    | st.builds(lambda wanted: {"exists": wanted}, st.booleans())
)
TEXTS = ["subject", "body", "text", "everything", "from_name"]
texts_asked = st.builds(lambda key, value: {key: value}, st.sampled_from(TEXTS), text_values)
headers_asked = st.dictionaries(st.sampled_from(["X-Test", "Subject", "X-Other"]), text_values, min_size=1, max_size=2)
address_values = (
    some(ADDRESSES)
    | some(ADDRESSES).map(lambda found: {"other_than": found})
    | some(["^an+a@", r"\.pl$", "(?-i)ANNA", "@xn--"]).map(lambda found: {"regex": found})
    | st.builds(lambda wanted: {"exists": wanted}, st.booleans())
)
addresses_asked = st.builds(
    lambda key, value: {key: value},
    st.sampled_from(["from", "reply_to", "to", "cc", "customer", "sender", "recipient"]),
    address_values,
)
headers_at_all = headers_asked.map(lambda found: {"header": found})
inboxes_asked = st.sampled_from([["support@example.com"], ["help@example.com"], ["billing@example.com"]])
of_the_message = st.one_of(
    inboxes_asked.map(lambda inboxes: {"inbox": inboxes}),
    some(LABELS).map(lambda found: {"label": found}),
    some(["internal", "reply", "auto", "list"]).map(lambda kinds: {"is": kinds}),
    st.just({"always": True}),
)
kinds_of_leaves = (texts_asked, texts_asked, texts_asked, headers_at_all, addresses_asked, of_the_message)
leaves = st.integers(0, 6).flatmap(lambda kind: (*kinds_of_leaves, made_circumstances.conditions)[kind])


def joined(inner: Any) -> Any:
    """Of conditions a larger one."""
    return st.one_of(
        some(inner, 3).map(lambda parts: {"all": parts}),
        some(inner, 3).map(lambda parts: {"any": parts}),
        some(inner).map(lambda parts: {"not": parts}),
        inner.map(lambda part: {"not": part if len(part) == 1 else [part]}),
        st.builds(lambda one, other: {**one, **other}, inner, inner),
    )


# By kind before by key, so that no kind of them is rare.
conditions = st.integers(0, 3).flatmap(lambda depth: (leaves, leaves, joined(leaves), joined(joined(leaves)))[depth])

# Rules.

owners = st.sampled_from(
    [
        "ewa",
        "finance",
        {"team": "sales"},
        {"team": "finance", "pick": "last"},
        *({"by": field, "in": "lists/accounts.csv"} for field in ("customer", "from", "sender")),
    ]
)
actions = st.fixed_dictionaries(
    {"label": st.lists(st.sampled_from(LABELS), min_size=1, max_size=2, unique=True)},
    optional={
        "assign": owners,
        "priority": st.sampled_from(["high", "normal", "low"]),
        "watch": st.lists(st.sampled_from(["jan", "sales"]), min_size=1, max_size=2, unique=True),
        "respond_within": st.sampled_from(["2h", "4h", "1d"]),
        "header": st.sampled_from([{"X-Class": "a"}, {"x-class": "b", "X-More": "ż"}]),
        "forward": st.lists(st.sampled_from(["a@out.example", "b@out.example"]), min_size=1, max_size=2, unique=True),
        "hold": st.sampled_from(["look first", "wait"]),
        "reject": st.sampled_from(["no thanks", "never"]),
        "reply": st.sampled_from([{"template": "received"}, {"template": "closed", "once_per": "2h"}]),
        "approve": st.lists(st.sampled_from(["jan", "sales"]), min_size=1, max_size=2, unique=True),
    },
).flatmap(lambda then: st.sampled_from([then, {**then, "reassign": True}]) if "assign" in then else st.just(then))
stops = st.sampled_from([{}, {}, {}, {"stop": True}, {"stop": "all"}])
modes = st.sampled_from([{}, {}, {}, {"mode": "trial"}])


def named(rules: list[Rule]) -> list[Rule]:
    return [{"name": f"r{number}", **rule} for number, rule in enumerate(rules)]


def files_of(stops: Any) -> Any:
    rule = st.builds(
        lambda when, then, stop, mode: {"when": when, "then": {**then, **stop}, **mode},
        conditions,
        actions,
        stops,
        modes,
    )
    inboxes = st.sampled_from([{}, {}, {"inbox": ["help@example.com"]}, {"inbox": ["billing@example.com"]}])
    file = st.builds(
        lambda rules, inbox, mode: {**inbox, **mode, "rules": named(rules)},
        some(rule, 4),
        inboxes,
        st.sampled_from([{}, {}, {}, {}, {"mode": "trial"}]),
    )
    return some(file)


rulesets = files_of(stops)
without_stops = files_of(st.just({}))

# Messages.

texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
senders = st.sampled_from(
    [
        "anna@klient.pl",
        "faktura Łódź <jan@sub.klient.pl>",
        "x@other.example",
        "y@xn--d-uga0v4h.example",
        "support+form@example.com",
    ]
)


def headers(tests: list[str], others: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (*(("X-Test", text) for text in tests), *others.items())


messages = st.builds(
    lambda subject, text, prefix, headers, sender, inbox, internal, envelope, circumstances: facts_of(
        subject=prefix + subject,
        text=text + "\n\n> skarga\n",
        sender=sender,
        headers=headers,
        inbox=inbox,
        internal=internal,
        mail_from=envelope,
        **circumstances,
    ),
    texts,
    texts,
    st.sampled_from(["", "Re: "]),
    st.builds(
        headers,
        st.lists(texts.filter(str.strip), max_size=2),
        st.fixed_dictionaries(
            {},
            optional={
                "Reply-To": st.sampled_from(["x@other.example", "Anna <ANNA@Klient.pl>"]),
                "Cc": st.sampled_from(["y@other.example, a@sub.klient.pl", "anna@klient.pl"]),
                "List-Id": st.just("<a.b.example>"),
            },
        ),
    ),
    senders,
    st.sampled_from(["support@example.com", "billing@example.com"]),
    st.sampled_from([True, False, None]),
    st.sampled_from(["anna@klient.pl", "", "bounces@other.example"]),
    made_circumstances.circumstances,
)


def read_beside(path: str) -> bytes:
    return "\n".join(LISTS[path]).encode()


def compiled(files: list[File]) -> Ruleset:
    """The files named 1.yaml, 2.yaml, …"""
    found = compile_ruleset(
        {f"{number}.yaml": json.dumps({"lang": LANGUAGES, **file}).encode() for number, file in enumerate(files, 1)},
        ALL_GRANTED,
        read_beside=read_beside,
    )
    assert found.ruleset is not None, found.problems
    return found.ruleset
