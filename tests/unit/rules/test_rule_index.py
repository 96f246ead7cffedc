"""Rules are found by what stands in the message; those that are not asked would have said no."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_rules import conditions, messages, read_beside
from rule_sets import ALL_GRANTED, facts_of, ruleset_of

from routerd.message.fold import fold, nfc_visible
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.conditions.truth import Condition, Truth
from routerd.rules.facts import Facts, Part, Seen
from routerd.rules.matching.literals import Literals
from routerd.rules.matching.regex import RegexError, compile_regex
from routerd.rules.rule_index import RuleIndex

LETTERS = "abśك😀\ud83d\ude00 "
literal_sets = st.sets(st.text(LETTERS, min_size=1, max_size=6), max_size=40)


@given(literal_sets, st.text(LETTERS, max_size=60))
def test_finds_what_stands_in_the_text(literals: set[str], text: str) -> None:
    """The same as one search for each: overlapping ones, one in another, beyond the BMP, lone surrogates, nothing."""
    assert Literals(literals).found_in(text) == {literal for literal in literals if literal in text}


@given(st.sets(st.text("ab", min_size=1, max_size=14), max_size=60), st.text("ab", max_size=80))
def test_finds_all_that_end_at_one_place(literals: set[str], text: str) -> None:
    """However many literals are the end of one another."""
    assert Literals(literals).found_in(text) == {literal for literal in literals if literal in text}


@pytest.mark.parametrize("at", range(16_384 - 8, 16_384 + 3))
@pytest.mark.parametrize("letter", ["x", "ś", "😀"])
def test_finds_across_the_pieces_of_a_long_text(at: int, letter: str) -> None:
    """A text is searched in pieces; no literal is lost where two of them meet."""
    text = letter * (at // len(letter.encode())) + "faktura" + letter * 20_000
    assert Literals(["faktura", "aktura", "skarga"]).found_in(text) == {"faktura", "aktura"}


def test_a_tower_of_literals_in_a_flood() -> None:
    """A thousand literals in a quarter of a million places are all found, without a list of every one in each."""
    tower = ["a" * height for height in range(1, 1_001)]
    assert Literals(tower).found_in("a" * 256_000) == set(tower)
    assert Literals(tower).found_in("ba" * 1_000) == {"a"}


@given(st.lists(conditions, min_size=1, max_size=5), messages)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_asks_all_that_could_hold(whens: list[dict[str, Any]], facts: Facts) -> None:
    """What is not asked would have said no, not even that it cannot be told."""
    rules = [{"name": f"r{number}", "when": when, "then": {"label": "x"}} for number, when in enumerate(whens)]
    text = json.dumps({"lang": ["en", "pl"], "rules": rules})
    found = compile_ruleset({"1.yaml": text.encode()}, ALL_GRANTED, read_beside=read_beside).ruleset
    assert found is not None
    read = [rule.when for rule in found.files[0].rules]
    asked = RuleIndex([read]).asked_of(Seen(facts)).to_ask(0)
    assert asked == sorted(asked)
    for number, condition in enumerate(read):
        assert number in asked or condition.truth(Seen(facts)) is Truth.NO


def condition(when: str) -> Condition:
    (file,) = ruleset_of(f"lang: [en, pl]\nrules:\n  - {{name: it, when: {when}, then: {{label: hit}}}}\n").files
    return file.rules[0].when


def is_asked(when: str, **message: Any) -> bool:
    return RuleIndex([[condition(when)]]).asked_of(Seen(facts_of(**message))).to_ask(0) == [0]


@pytest.mark.parametrize(
    ("when", "here", "elsewhere"),
    [
        ("{subject: skarg}", {"subject": "SKARGĘ"}, {"text": "skarga"}),
        ("{text: {word: 'na fakturze'}}", {"text": "Na fakturze"}, {"text": "Na rachunku"}),
        ("{body: {word: شكوى}}", {"text": "وللشكوى"}, {"text": "شكوك"}),
        ("{body: {regex: 'order[- ]\\d+|zlecenie'}}", {"text": "ORDER-12"}, {"text": "an or-der"}),
        ("{subject: {stem: skarga}}", {"subject": "Dwie Skargi"}, {"subject": "skarbnica"}),
        ("{body: {stem: pilna жалоба}}", {"text": "pilną ЖАЛОБУ"}, {"text": "zwykła sprawa"}),
        ("{body: {stem: شكوى}}", {"text": "وللشَّكوى"}, {"text": "شكوك"}),
        ("{subject: {stem: 发票}}", {"subject": "发票"}, {"subject": "票"}),
        ("{subject: {stem: skarga, also: skardze}}", {"subject": "skardze"}, {"subject": "skarpeta"}),
        ("{subject: {word: Łódź, exact: true}}", {"subject": "Łódź"}, {"subject": "Łeba"}),
        ("{from: klient.pl}", {"sender": "x@klient.pl"}, {"sender": "x@sub.klient.pl"}),
        ("{from: .klient.pl}", {"sender": "x@a.b.klient.pl"}, {"sender": "x@notklient.pl"}),
        ("{from: anna@klient.pl}", {"sender": "Anna@Klient.pl"}, {"sender": "jan@klient.pl"}),
        ("{all: [{from: klient.pl}, {text: skarga}]}", {"sender": "x@klient.pl"}, {"sender": "x@example.com"}),
        ("{any: [{subject: skarga}, {from: klient.pl}]}", {"sender": "x@klient.pl"}, {"sender": "x@example.com"}),
    ],
)
def test_is_asked_where_its_clue_stands(when: str, here: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    """A rule is asked where what it needs is there, and only there."""
    assert is_asked(when, **{"sender": "x@example.com", **here})
    assert not is_asked(when, **{"sender": "x@example.com", **elsewhere})


@pytest.mark.parametrize(
    "when",
    [
        "{not: {text: skarga}}",
        "{text: {exists: false}}",
        "{body: {contains: ŞŞ, exact: true}}",
        "{is: internal}",
        "{any: [{subject: skarga}, {is: internal}]}",
        "{from: '*@klient.pl'}",
        "{from: {exists: false}}",
        "{always: true}",
    ],
)
def test_is_always_asked_without_a_clue(when: str) -> None:
    """What can hold though nothing of it stands in the message is asked of every message."""
    assert is_asked(when)


def test_the_text_is_not_read_for_the_sender() -> None:
    """Where the address does not fit, the text that the rule also asks for is not decoded."""
    seen = Seen(facts_of())
    assert RuleIndex([[condition("{text: skarga, from: other.example}")]]).asked_of(seen).to_ask(0) == []
    assert "new_text" not in vars(seen.facts.view)


def test_a_field_that_cannot_be_read_fails_its_rules_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while rules are looked for fails the rules that have to do with it, and no others."""

    def fault(_view: MessageView) -> str:
        raise RuntimeError("unforeseen")

    ruleset = ruleset_of(
        "rules:\n  - {name: a, when: {body: skarga}, then: {label: one}}\n"
        "  - {name: b, when: {subject: hello}, then: {label: two}}\n"
    )
    monkeypatch.setattr(MessageView, "new_text", property(fault))
    decision = ruleset.decide(facts_of())
    assert decision.labels == ("two",)
    assert [str(skipped.rule) for skipped in decision.trace.failed] == ["1.yaml/a"]


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("order[- ]00002[a-z]*", {"order-00002", "order 00002"}),
        ("Faktura", {"faktura"}),
        ("FAKTURĘ", {"fakture"}),
        ("skarg[aąi]|complaint", {"skarga", "skargi", "complaint"}),
        ("[zż]aba", {"zaba"}),
        ("straße", {"strasse"}),
        ("жалоб[аы]", {"жалоба", "жалобы"}),
        ("شَكْوَى|أحمد", {"شكوي", "احمد"}),
        ("退款|返", {"退款", "返"}),
        (r"faktura\s+vat", {"faktura vat"}),
        (r"faktura\s*(?:nr)?\s*\d+", {"faktura"}),
        (r"klient\.pl|@anna", {"klient.pl", "@anna"}),
        (r"\x41\x{142}a", {"ala"}),
        (r"a+bcd", {"bcd"}),
        ("(?:pilne|urgent)!* (?:skarga|x)", {"pilne", "urgent"}),
        ("(?:wo){3}", {"wowowo"}),
        ("a[b-d]e[fg]", {"abef", "abeg", "acef", "aceg", "adef", "adeg"}),
        ("na [a-z]+ koniec", {"koniec"}),
        ("[^a]bcd[^e]", {"bcd"}),
        ("what[?]soever", {"soever"}),
        ("skarg[aę]|[a-z]x", set()),
        (r"\binvoices?\b", {"invoice"}),
        ("(?-i)ORDER", {"order"}),
        ("abc{2}", {"abcc"}),
        ("abc{2,}", set()),
        ("abcd{0}", {"abc"}),
        ("(abc|def)+", {"abc", "def"}),
        (r"\d\d\d", set()),
        (r"\Qabc.\E", {"abc."}),
        ("ab.cd", set()),
    ],
)
def test_the_literal_that_a_regex_needs(pattern: str, literals: set[str]) -> None:
    """The longest run of letters that no repetition can take away, folded, of every alternative."""
    assert compile_regex(pattern).literals == literals


@given(
    st.text("abkſKsS12.*+?|()[]\\bd ", min_size=1, max_size=12),
    st.text("abkſKsSß12 \u0301\u0308\u00ad\u200bﬁ①\u20e3", max_size=30),
)
@settings(max_examples=500, deadline=None)
def test_a_regex_fits_only_where_its_literal_stands(pattern: str, text: str) -> None:
    """Whatever the pattern and however the text is written: found as written, it has the literal when folded."""
    try:
        regex = compile_regex(pattern)
    except RegexError:
        return
    if regex.literals and regex.found(nfc_visible(text).encode()):
        assert any(literal in fold(text) for literal in regex.literals)


@given(
    st.text("abcksz019", min_size=3, max_size=5),
    st.text("ſKİıß\u0130Ⅷ㎏\u0301\u0323\u20e3\u1160\u00ad\u034f ́①ａ", max_size=4),
    st.text("ſKİıß\u0130Ⅷ㎏\u0301\u0323\u20e3\u1160\u00ad\u034f ́①ａ", max_size=4),
)
@settings(max_examples=500, deadline=None)
def test_folding_keeps_a_run_of_ascii(run: str, before: str, behind: str) -> None:
    """What RE2 finds of a plain word stands in the folded text, whatever marks and odd letters are beside it."""
    regex = compile_regex(run)
    text = before + run.upper() + behind
    if regex.found(nfc_visible(text).encode()):
        assert run in fold(text)


PIECES = st.sampled_from(
    [
        *((letter, [letter, letter.upper()]) for letter in "abzżłß1иёкשع字カα-."[:-1]),
        ("أ", ["أ"]),
        (r"\.", ["."]),
        (r"\x{444}", ["ф", "Ф"]),
        (r"\s+", [" ", "\u00a0\n", "\t"]),
        (r"\d", ["7", "٣"]),
        ("[zż]", ["z", "Ż"]),
        ("[^a]", ["b", "и"]),
        (r"\Qa.b\E", ["a.b", "A.B"]),
        ("(?-i:K)", ["K"]),
        ("s", ["s", "ſ"]),
        ("в", ["в", "ᲀ"]),
    ]
)
Fitting = tuple[str, list[str]]  # a pattern, and texts that it fits


def in_a_row(parts: list[Fitting]) -> Fitting:
    return "".join(part[0] for part in parts), ["".join(part[1][-1] for part in parts), "".join(p[1][0] for p in parts)]


fitting = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=6).map(in_a_row),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: (f"(?:{'|'.join(part[0] for part in parts)})", [text for part in parts for text in part[1]])
        ),
        inner.map(lambda part: (f"(?:{part[0]})?", ["", *part[1]])),
        inner.map(lambda part: (f"(?:{part[0]})*", ["", *(text * 2 for text in part[1])])),
        inner.map(lambda part: (f"({part[0]}){{1,3}}", [text * times for text in part[1] for times in (1, 3)])),
    ),
    max_leaves=10,
)


@given(fitting, st.text("a и\u0301\u0306ـ\u200bʼ", max_size=3), st.text("a и\u0301\u0306ـ\u200bʼ", max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_text_that_a_regex_fits_has_its_literal(made: Fitting, before: str, behind: str) -> None:
    """Whatever a pattern is made of, each text that it is found in has one of its literals when it is folded."""
    pattern, texts = made
    try:
        regex = compile_regex(pattern)
    except RegexError:
        return
    looked_for = Literals(regex.literals)
    for text in texts:
        part = Part("body", before + text + behind, fold(before + text + behind).strip())
        if regex.literals and regex.found(part.visible):
            assert part.found_of(looked_for)
