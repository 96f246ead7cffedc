"""Where what a rule asked for stands in the message, as it was written."""

import pytest

from routerd.message.fold import fold
from routerd.rules.matching.found import find_text

LONG = "and so on, " * 30


@pytest.mark.parametrize(
    ("original", "term", "found"),
    [
        ("Your Invoice, please", "invoice", "Invoice"),
        ("Re:\tINVOICES\tof May", "invoices of", "INVOICES of"),
        ("(invoice) and invoice", "invoice", "invoice"),
        ("Faktura; re-invoiced today", "invoice", "re-invoiced"),
        ("the last   INVOICE", "last invoice", "last INVOICE"),
        ("  an invoice", "invoice", "invoice"),
        ("opłacona Invoice", "invoice", "Invoice"),
        (f"Invoices {LONG} invoice", "invoice", "Invoices"),
        (f"{LONG} pre-Invoice {LONG}", "invoice", "pre-Invoice"),
    ],
)
def test_the_words_are_shown_in_which_it_stands(original: str, term: str, found: str) -> None:
    """The first that have it, whole, as written but for white space; whether or not the folded text tells the place."""
    assert find_text(original, term) == found
    assert find_text(original, term, fold, fold(original).strip()) == found
