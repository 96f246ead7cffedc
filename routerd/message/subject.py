"""Subjects: what clients put before them, in the languages whose clients do so."""

import re
from typing import Literal, NamedTuple

Meaning = Literal["reply", "forward"]

_REPLY = (
    "re", "ｒｅ", "r", "rif", "rép", "aw", "antw", "antwort", "sv", "odp", "odpowiedź", "odg", "ynt", "res", "resp",
    "vá", "atb", "bls", "trả lời", "σχετ", "απ", "ответ", "отв", "на", "ha", "відп", "הנ", "השב", "תשובה", "תגובה",
    "رد", "ردّ", "الرد", "پاسخ", "回复", "回覆", "答复", "答覆", "返信", "회신", "답장", "答",
)  # fmt: skip
_FORWARD = (
    "fwd", "fw", "ｆｗ", "ｆｗｄ", "i", "wg", "weitergeleitet", "pd", "przekaz", "przekaż", "tr", "trs", "transf", "rv",
    "enc", "vb", "vl", "vs", "fs", "doorst", "ilt", "i̇lt", "továbbítás", "chuyển tiếp", "πρθ", "προωθ", "пересл",
    "переслать", "הועבר", "إعادة توجيه", "اعادة توجيه", "تحويل", "محول", "转发", "轉寄", "轉發", "転送", "전달",
)  # fmt: skip
_OUT_OF_OFFICE = (
    "automatic reply", "auto reply", "auto-reply", "autoreply", "auto response", "autoresponse", "out of office",
    "out of the office", "autoodpowiedź", "odpowiedź automatyczna", "automatyczna odpowiedź", "automatische antwort",
    "abwesenheitsnotiz", "abwesenheit", "réponse automatique", "réponse d'absence", "absence du bureau",
    "respuesta automática", "fuera de la oficina", "رد تلقائي", "الرد التلقائي", "خارج المكتب", "risposta automatica",
    "automatisch antwoord", "resposta automática", "автоматический ответ", "automatiskt svar", "otomatik yanıt",
    "αυτόματη απάντηση", "自动回复", "自動回覆", "自動応答",
)  # fmt: skip


class BareSubject(NamedTuple):
    """A subject without its prefixes, and what the outermost prefix says (None without one)."""

    text: str
    meaning: Meaning | None


def _alternatives(prefixes: tuple[str, ...]) -> str:
    return "|".join(re.escape(prefix).replace(r"\ ", r"\s") for prefix in sorted(prefixes, key=len, reverse=True))


_INVISIBLE = "\u200b-\u200f\u202a-\u202e\u2066-\u2069\u00ad\ufeff"
_SPACE = rf"[\s{_INVISIBLE}]*+"
_PREFIX = re.compile(
    rf"{_SPACE}(?:(?P<reply>{_alternatives(_REPLY)})|(?P<forward>{_alternatives(_FORWARD)}))\.?"
    rf"(?:\s?(?:\[\d{{1,4}}\]|\(\d{{1,4}}\)|\^\d{{1,4}}|\*\d{{1,4}}|\d{{1,3}}))?{_SPACE}[:：﹕]",
    re.IGNORECASE,
)
_TAGS = re.compile(r"(?:\s*+(?:\[[^\[\]]{1,60}+\]|\{[^{}]{1,60}+\}|\*{2,5}[^*]{1,60}+\*{2,5})|(?!))++")
_OUT = re.compile(rf"{_SPACE}(?:{_alternatives(_OUT_OF_OFFICE)})(?!\w)", re.IGNORECASE)


def cut_prefixes(subject: str) -> BareSubject:
    """`Re[2]: Fwd: faktura` → `faktura`, and `reply`.

    Tags that lists and gateways put first stay: `[EXTERNAL] Re: faktura` → `[EXTERNAL] faktura`, and `reply`.
    """
    at, meaning = 0, None
    kept: list[str] = []
    while True:
        tags = _TAGS.match(subject, at)
        match = _PREFIX.match(subject, tags.end() if tags else at)
        if match is None:
            break
        if tags:
            kept.append(tags[0].strip())
        if meaning is None:
            meaning = match.lastgroup
        at = match.end()
    text = " ".join((*kept, subject[at:].strip())).rstrip() if at else subject
    return BareSubject(text, meaning)  # type: ignore[arg-type]  # the groups are called as the meanings


def says_out_of_office(bare_subject: str) -> bool:
    """The subject is one that clients give to automatic answers."""
    tags = _TAGS.match(bare_subject)
    return _OUT.match(bare_subject, tags.end() if tags else 0) is not None
