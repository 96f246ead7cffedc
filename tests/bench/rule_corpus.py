"""Made-up rules and mail for measuring: three scripts, words as unevenly spread as in a language, always the same."""

import random
from collections.abc import Iterator, Mapping, Sequence
from email.header import Header
from itertools import accumulate

_SYLLABLES = {
    "latin": (
        "ba bą ce ci cz da do dę fa fi ga gó ha i ja ją ka ko kę la le ło ma mi mó na ne ni ny ob od pa "
        "po prze ra ro rę sa się ska sta szy ta to tę wa wi wy za zi że żó ćwi źle ent ing ment tion ver"
    ),
    "arabic": (
        "با بي تا تو جا حا خا دا را رسا زا سا شا شك صا ضا طا عا غا فا فو قا كا كو لا ما مو نا ني ها وا يا "
        "ية تر حو سل عم فت قد مر نس"
    ),
    "cyrillic": (
        "ба бе ва во га го да до ец жа за зо и ка ко ла ло ма ми на ни об от па по при ра ро са ста та то "
        "ту фа ха цы ча ша щи ый ть ся ём"
    ),
}
_WORDS = 30_000  # of each script
_SELDOM = 2_000  # words from this rank on are seldom in mail: what rules look for
_SPREAD = 1.0  # how uneven: the n-th word is written 1 / n ** _SPREAD times as often as the first
_RULES_A_FILE = 500
_HEAD = """\
Received: from mail.klient-{customer}.pl (mail.klient-{customer}.pl [192.0.2.7]) by mx.example.com; Wed, 15 Jan 2025 10:00:00 +0000\r
From: Anna Nowak <anna.{number}@klient-{customer}.pl>\r
To: support@example.com\r
Subject: {subject}\r
Date: Wed, 15 Jan 2025 10:00:00 +0000\r
Message-ID: <{number}@klient-{customer}.pl>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
"""  # noqa: E501 - a header's line
_SCRIPTS = tuple(_SYLLABLES)
_FIELDS = ("subject", "from", "text")


class Corpus:
    """The words of three scripts, and the rules and mail that are made of them."""

    def __init__(self, seed: int = 3) -> None:
        self._random = random.Random(seed)
        self._words = {script: self._make_words(syllables.split()) for script, syllables in _SYLLABLES.items()}
        self._weights = list(accumulate(1 / rank**_SPREAD for rank in range(1, _WORDS + 1)))

    def rule_files(self, rules: int) -> Mapping[str, str]:
        """Files of YAML, 500 rules each: 70 % literals, 30 % regexes of which nine in ten have to have a literal."""
        lines = [self._rule(number) for number in range(rules)]
        return _files(lines)

    def stem_files(self, rules: int) -> Mapping[str, str]:
        """The same with rules that look for any form of a word; those in Latin script in two languages."""
        lines = [
            f"  - name: rule-{number}\n    when: {{text: {{stem: '{self._seldom(_SCRIPTS[number % 3])}'}}}}\n"
            f"    then: {{label: topic-{number % 200}}}\n"
            for number in range(rules)
        ]
        return _files(lines, "lang: [pl, en]\n")

    def messages(self, count: int, size_bytes: int) -> list[bytes]:
        """Mail of about that size as it came, each in one script, its text in 8 bit."""
        return [self._message(_SCRIPTS[number % 3], number, size_bytes) for number in range(count)]

    def _make_words(self, syllables: list[str]) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < _WORDS:
            found["".join(self._random.choices(syllables, k=2 + min(len(found) // 1_000, 3)))] = None
        return list(found)

    def _rule(self, number: int) -> str:
        kind, field = number % 10, _FIELDS[(number + number // 10) % 3]
        script = _SCRIPTS[(number // 3 + number // 30) % 3]
        if number < len(_SCRIPTS):
            field, value = "text", f"{{word: '{self._words[_SCRIPTS[number]][0]}'}}"  # in nearly every mail
        elif kind < 7:
            value = self._sender(number) if field == "from" else self._literal(kind, script)
        elif kind == 9 and number // 10 % 10 < 3:  # 3 in 100, that is one regex in ten
            value = f"{{regex: '{self._regex_without_literal(number)}'}}"
        else:
            value = f"{{regex: '{self._regex(number, field, script)}'}}"
        team = ("finance", "sales", "duty")[number % 3]
        return (
            f"  - name: rule-{number}\n    when: {{{field}: {value}}}\n"
            f"    then: {{label: topic-{number % 200}, assign: {team}}}\n"
        )

    def _literal(self, kind: int, script: str) -> str:
        if kind < 2:
            return f"{{word: '{self._seldom(script)}'}}"
        if kind < 4:
            return f"{{word: '{self._common(script)} {self._seldom(script)}'}}"
        if kind < 6:
            return (
                f"['{self._common(script)} {self._common(script)} {self._common(script)}', '{self._seldom(script)}ż']"
            )
        return f"'{self._seldom(script)}{self._common(script)}'"

    def _sender(self, number: int) -> str:
        return (f"anna.{number}@klient.pl", f"klient-{number}.pl", f".urzad-{number}.gov.pl")[number % 3]

    def _regex(self, number: int, field: str, script: str) -> str:
        if field == "from":
            return (rf"^(anna|jan)\.{number}@", rf"@klient-{number}\d?\.(pl|com)$", rf"\bbiuro{number}\b")[number % 3]
        word, other = self._seldom(script), self._common(script)
        return (
            rf"\b{word}\s+(na|za|w)?\s*{other}\b",
            rf"{word}[- ]?\d+",
            rf"(?:{word}|{self._seldom(script)}) ?(?:nr|no|№)",
            rf"\b(?:{other}|{self._common(script)})\s+{self._seldom(script)}\w*",
        )[number % 4]

    def _regex_without_literal(self, number: int) -> str:
        return (
            rf"\b[A-Z]{{2}}{number % 90 + 10}[ -]?\d{{8,12}}\b",
            rf"\b\d{{{number % 5 + 3}}}-{number % 7}\d{{3}}-[a-z]{{2}}\b",
            rf"\b[A-F]{number % 9}[/-]\d{{{number % 6 + 2}}}[/-]20\d\d",
            rf"^\W*[!?]{{{number % 97 + 3}}}\s*\w",
        )[number // 10 % 4]

    def _seldom(self, script: str) -> str:
        return self._words[script][self._random.randrange(_SELDOM, _WORDS)]

    def _common(self, script: str) -> str:
        return self._words[script][self._random.randrange(_SELDOM)]

    def _message(self, script: str, number: int, size_bytes: int) -> bytes:
        words = self._text(script)
        subject = " ".join(next(words) for _ in range(6))
        lines: list[str] = []
        encoded_bytes = 400  # of the header
        while encoded_bytes < size_bytes:
            line = " ".join(next(words) for _ in range(9))
            lines.append(line)
            encoded_bytes += len(line.encode()) + 2
        encoded = Header(subject, "utf-8", maxlinelen=70, header_name="Subject").encode(linesep="\r\n")
        head = _HEAD.format(number=number, customer=number * 31 % 10_000, subject=encoded)
        return head.encode("ascii") + "\r\n".join(lines).encode()

    def _text(self, script: str) -> Iterator[str]:
        while True:
            words = self._random.choices(self._words[script], cum_weights=self._weights, k=200)
            for place, word in enumerate(words):
                yield word.capitalize() if place % 12 == 0 else f"{word}," if place % 9 == 0 else word
            yield f"nr {self._random.randrange(10_000)}/2026."


def _files(lines: Sequence[str], head: str = "") -> Mapping[str, str]:
    return {
        f"{start // _RULES_A_FILE:03}.yaml": f"{head}rules:\n" + "".join(lines[start : start + _RULES_A_FILE])
        for start in range(0, len(lines), _RULES_A_FILE)
    }
