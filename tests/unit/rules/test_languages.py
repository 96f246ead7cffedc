"""Telling languages apart: short mails of many languages, texts that are in none, hostile ones."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from routerd.rules.matching.languages import CODES, OFTEN_MEANT, language_of

MAILS = [
    ("pl", "Proszę o kontakt w sprawie faktury."),
    ("pl", "dzien dobry, prosze o duplikat faktury za maj, pozdrawiam"),
    ("pl", "Kiedy mogę odebrać zamówienie?"),
    ("en", "Please send me the invoice for May."),
    ("en", "How do I reset my password?"),
    ("ar", "أرجو إرسال الفاتورة"),
    ("ar", "لدي شكوى بخصوص الخدمة السيئة"),
    ("ar", "عايز اعرف الفلوس هترجع امتى"),  # Egyptian
    ("de", "Bitte senden Sie mir die Rechnung zu."),
    ("de", "Koennen Sie mich bitte zurueckrufen?"),
    ("fr", "Quand ma commande arrivera-t-elle ?"),
    ("fr", "Merci de m'envoyer la facture du mois de mai."),
    ("es", "¿Cuándo llegará mi pedido?"),
    ("es", "Pueden llamarme mañana por favor?"),
    ("tr", "Merhaba, kargom hala gelmedi."),
    ("tr", "Siparişim ne zaman gelecek?"),
    ("ru", "Перезвоните мне завтра, пожалуйста."),
    ("ru", "Хочу пожаловаться на обслуживание."),
    ("uk", "Доброго дня, я ще не отримав посилку."),
    ("el", "Καλημέρα, δεν έχω λάβει ακόμα το δέμα μου."),
    ("zh", "您好，我还没有收到包裹。"),
    ("he", "שלום, עדיין לא קיבלתי את החבילה"),
    ("en", "Order FV/2026/03/1234 has not come, see https://example.com/a?b=1 please"),
]


@pytest.mark.parametrize(("code", "text"), MAILS)
def test_a_sentence_is_enough(code: str, text: str) -> None:
    """One sentence, also without its marks, and beside numbers and links."""
    assert language_of(text) == code


@pytest.mark.parametrize(
    "text",
    ["", "ok", "12345", "Thanks!", "+48 600 700 800", "anna@klient.pl", "FV/2026/03/1234", "😀😀", "---"],
)
def test_what_is_too_little_is_in_no_language(text: str) -> None:
    """Numbers, addresses, links, and a word that could be of many."""
    assert language_of(text) is None


def test_only_the_beginning_is_looked_at() -> None:
    """What stands behind the first part of a long text does not count."""
    assert language_of("Proszę o kontakt. " * 200 + "Please send me the invoice. " * 2000) == "pl"


def test_threads_agree() -> None:
    """Several at once give what each alone gives."""
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(language_of, [text for _, text in MAILS] * 4)) == [code for code, _ in MAILS] * 4


@given(st.text(alphabet=st.characters(), max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_has_a_language_or_none(text: str) -> None:
    """Lone surrogates and controls included: nothing raises, and twice the same."""
    found = language_of(text)
    assert found is None or found in CODES
    assert language_of(text) == found


def test_the_codes_are_those_that_the_model_knows() -> None:
    """Every code that a rule may ask for can come of a text, and every hint is such a code."""
    labels = LanguageIdentifier.from_model_file(MODEL_FILE).labels
    assert {label for label in labels if len(label) == 2} == set(CODES)
    assert set(OFTEN_MEANT.values()) <= set(CODES)
