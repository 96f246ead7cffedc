"""What a reply did, in words for who does not know SMTP."""

import pytest

from routerd.delivery.outcome import Stage, turned_down


@pytest.mark.parametrize(
    ("stage", "code", "words"),
    [
        (Stage.RCPT, 550, "refused the recipient"),
        (Stage.RCPT, 452, "put off the recipient"),
        (Stage.MAIL, 550, "refused the sender"),
        (Stage.GREETING, 421, "put off the connection"),
        (Stage.CONTENT, 554, "refused the message"),
    ],
)
def test_a_refusal_says_what_was_refused_and_whether_for_good(stage: Stage, code: int, words: str) -> None:
    assert turned_down(stage, code) == words


def test_every_step_of_smtp_has_its_words() -> None:
    """None is named as a program names it."""
    for stage in set(Stage) - {Stage.PREPARE, Stage.DNS, Stage.CONNECT, Stage.MAILDIR}:
        assert turned_down(stage, 550) != f"refused {stage}"
