"""What clients put before a subject, in the languages whose clients do so."""

import pytest

from routerd.message.subject import cut_prefixes


@pytest.mark.parametrize(
    "subject",
    [
        "Re: faktura", "RE : faktura", "re:faktura", "Re[2]: faktura", "Re [12]: faktura", "Re^3: faktura",
        "RE (2): faktura", "Re2: faktura", "Re*2: faktura", "AW: faktura", "Antw: faktura", "SV: faktura",
        "Odp: faktura", "Odp.: faktura", "ODP: Re: faktura", "Odpowiedź: faktura", "R: faktura", "RIF: faktura",
        "RES: faktura",
        "Rép. : faktura", "Vá: faktura", "YNT: faktura", "ATB: faktura", "Odg: faktura", "ΑΠ: faktura",
        "ΣΧΕΤ: faktura",
        "Απ: faktura", "HA: faktura", "НА: faktura", "Відп: faktura", "Ответ: faktura", "השב: faktura",
        "תגובה: faktura",
        "رد: faktura", "\u200fرد: faktura", "ردّ: faktura", "پاسخ: faktura", "回复：faktura", "回覆: faktura",
        "答复: faktura", "返信: faktura", "회신: faktura", "ＲＥ：faktura", "Trả lời: faktura", "BLS: faktura",
        "Re:\xa0faktura", "Re\u200b: faktura", "Re﹕ faktura",
    ],
)  # fmt: skip
def test_replies(subject: str) -> None:
    assert cut_prefixes(subject) == ("faktura", "reply")


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: faktura", "FW: faktura", "Fw:Fwd: faktura", "WG: faktura", "PD: faktura", "Przekaż: faktura",
        "TR: faktura", "RV: faktura", "ENC: faktura", "VB: faktura", "VS: faktura", "VL: faktura", "I: faktura",
        "FS: faktura", "TRS: faktura", "Doorst: faktura", "İLT: faktura", "ilt: faktura", "ΠΡΘ: faktura",
        "Továbbítás: faktura", "Пересл: faktura", "הועבר: faktura", "إعادة توجيه: faktura", "اعادة توجيه: faktura",
        "转发: faktura", "轉寄: faktura", "转发：回复：faktura", "転送: faktura", "전달: faktura",
        "Chuyển tiếp: faktura",
        "Fwd [2]: faktura", "WG: AW: faktura", "Fwd (3): faktura", "ＦＷ：faktura",
    ],
)  # fmt: skip
def test_forwards(subject: str) -> None:
    assert cut_prefixes(subject) == ("faktura", "forward")


@pytest.mark.parametrize(
    "subject",
    [
        "faktura", "Real: faktura", "Ref: 12/2026", "Reklamacja: faktura", "Re faktura", "Fwdx: a", "rebus: a",
        "[list] faktura", "رده: faktura", "12: a", ":", "", "[Re: faktura]", "Res publica: x", "Iran: x",
    ],
)  # fmt: skip
def test_what_is_no_prefix_stays(subject: str) -> None:
    assert cut_prefixes(subject) == (subject, None)


@pytest.mark.parametrize(
    ("subject", "text", "meaning"),
    [
        ("[EXTERNAL] Re: faktura", "[EXTERNAL] faktura", "reply"),
        ("[EXT] [list] FW: faktura", "[EXT] [list] faktura", "forward"),
        ("Re: [list] Fwd: faktura", "[list] faktura", "reply"),
        ("RE: [SUSPECTED SPAM] RE: [x] AW: faktura", "[SUSPECTED SPAM] [x] faktura", "reply"),
        ("Re: [list] faktura", "[list] faktura", "reply"),
        ("Re: [unclosed Fwd: faktura", "[unclosed Fwd: faktura", "reply"),
        ("Re:", "", "reply"),
        ("[x] Re:", "[x]", "reply"),
    ],
)
def test_tags_of_lists_and_gateways_stay_and_what_is_behind_them_goes(subject: str, text: str, meaning: str) -> None:
    """The outermost prefix says what it is; a gateway's `[EXTERNAL]` before it does not hide that."""
    assert cut_prefixes(subject) == (text, meaning)


@pytest.mark.parametrize("piece", ["Re:", "[a]", "[a] Re: ", "[", "Re", " ", "إعادة ", "[a"])
def test_a_flood_of_prefixes_is_read(piece: str) -> None:
    """Linear: these would take minutes if each start looked at all that follows."""
    cut_prefixes(piece * 100_000)
