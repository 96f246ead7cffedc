"""Templates of automatic replies: what they may hold, and what filling them cannot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.message.template import NAMES, Template, TemplateError, parse_template

RECEIVED = """\
Subject: We have your mail: {{subject}}

Dear {{ customer.name }},

{{id}} has arrived at {{inbox}}.
"""


def test_names_are_filled_in() -> None:
    subject, text = parse_template(RECEIVED).fill(
        {"subject": "skarga", "customer.name": "Zażółć", "id": "01J", "inbox": "support@example.com"}
    )
    assert subject == "We have your mail: skarga"
    assert text == "Dear Zażółć,\n\n01J has arrived at support@example.com.\n"


def test_what_is_not_known_is_empty() -> None:
    assert parse_template("Subject: {{id}}!\n\n[{{respond_by}}]\n").fill({}) == ("!", "[]\n")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_ends_of_any_system(line_end: str) -> None:
    assert parse_template(RECEIVED.replace("\n", line_end)) == parse_template(RECEIVED)


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "no Subject"),
        ("Subject: x", 1, 1, "no empty line"),
        ("Dear you,\n\ntext\n", 1, 1, "begins with its header"),
        ("Subject: x\ntext\n\nmore", 2, 1, "begins with its header"),
        ("\ntext\n", 1, 1, "no Subject"),
        ("Subject:\n\ntext\n", 1, 1, "no Subject"),
        ("Subject: x\n\n \n", 4, 1, "no text"),
        ("Subject: x\nsubject: y\n\ntext\n", 2, 1, "twice"),
        ("Subject: x\nFrom: me@x\n\ntext\n", 2, 1, "From cannot be set"),
        ("Subject: x {{idd}}\n\ntext\n", 1, 12, "there is no {{idd}}; there are {{customer.name}}"),
        ("Subject: x\n\nHello {{customer.__class__}}\n", 3, 7, "there is no {{customer.__class__}}"),
        ("Subject: x\n\nHello {{id\n}}\n", 3, 7, "not closed"),
        ("Subject: x\n\n" + "x" * 2001, 3, 2000, "more than 2000"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, line: int, column: int, said: str) -> None:
    with pytest.raises(TemplateError) as raised:
        parse_template(text)
    assert (raised.value.line, raised.value.column) == (line, column)
    assert said in str(raised.value)


def test_values_add_no_lines_and_no_names() -> None:
    """What a stranger wrote is put in as one line, and is not itself filled in."""
    values = {"subject": "x\r\nBcc: all@example.com\r\n\r\n{{id}}\x00\u2028y", "id": "secret"}
    subject, text = Template("{{subject}}", "{{subject}}\n").fill(values)
    assert subject == "x Bcc: all@example.com {{id}} y"
    assert text == "x Bcc: all@example.com {{id}} y\n"


@given(st.text(max_size=200), st.dictionaries(st.sampled_from(sorted(NAMES)), st.text(max_size=50)))
def test_any_text_is_a_template_or_says_why_not(text: str, values: dict[str, str]) -> None:
    try:
        template = parse_template(text)
    except TemplateError:
        return
    subject, _ = template.fill(values)
    assert "\n" not in subject
    assert "\r" not in subject
