"""Whether a message that proves its author proves whom he wrote it to."""

import pytest

from routerd.auth.addressees import proves_addressees
from routerd.auth.results import AuthResults, MethodResult
from routerd.message.headers import HeaderBlock

EWA = "ewa@team.example"
BARE = "From: ewa@team.example\r\nTo: support+c.token@example.com\r\nReferences: <1@klient.pl>\r\n"
MAIL = f"{BARE}Message-ID: <2@team.example>\r\n"


def dkim(domain: str = "team.example", result: str = "pass", **more: str) -> MethodResult:
    properties = (("header.d", domain), *((f"header.{name}", value) for name, value in more.items()))
    return MethodResult("dkim", result, properties)


def spf(sender: str) -> MethodResult:
    return MethodResult("spf", "pass", (("smtp.mailfrom", sender),))


def signature(names: str, domain: str = "team.example", start: str = "AbCdEfGh") -> str:
    return f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=s1; h={names};\r\n b={start}\r\n Ij==\r\n"


def proves(header: str, *results: MethodResult) -> bool:
    return proves_addressees(HeaderBlock.scan(f"{header}\r\nHello.\r\n".encode()), AuthResults(results, EWA))


FULL = "from:to:cc:subject:date:in-reply-to:references:message-id"


@pytest.mark.parametrize(
    ("header", "results"),
    [
        (signature(FULL) + MAIL, (dkim(),)),
        (signature("From : To : Cc : References : Message-ID") + MAIL, (dkim(b="AbCdEfGh"),)),
        (signature("from:subject", start="Other") + signature(FULL) + MAIL, (dkim(b="AbCdEfGh"),)),
        (signature("from:subject") + MAIL, (dkim(), spf(EWA))),
        (signature("from:subject") + MAIL, (dkim(), spf("bounce@mail.team.example"))),
        (MAIL, (spf(EWA),)),
        (signature("from:subject") + MAIL, (dkim(result="fail"),)),
        (MAIL, ()),
        (signature(FULL) + MAIL, ()),
        (signature("from", "zly.test") + signature(FULL) + MAIL, ()),
        (signature("from", "zly.test") + MAIL, ()),
        (signature("from") + MAIL, (spf(EWA),)),
    ],
)
def test_a_signature_of_all_of_it_or_spf_proves_them(header: str, results: tuple[MethodResult, ...]) -> None:
    """Where a hop says that DMARC passed, and of no signature, what it can have passed by is in the message."""
    assert proves(header, *results)


def test_what_a_domain_beside_the_authors_says_does_not_count() -> None:
    """DMARC passes by it, where it is not strict; one above or below is the author's own, or given by its owner."""
    author = "ewa@desk.team.example"

    def proves_of(*results: MethodResult, by: str) -> bool:
        header = signature(FULL, by) + MAIL.replace(EWA, author)
        return proves_addressees(HeaderBlock.scan(f"{header}\r\n".encode()), AuthResults(results, author))

    for domain in ("team.example", "desk.team.example", "mail.desk.team.example"):
        assert proves_of(dkim(domain), by=domain)
        assert proves_of(spf(f"bounce@{domain}"), by=domain)
    for domain in ("news.team.example", "desk.team.example.zly.test"):
        assert not proves_of(dkim(domain), by=domain)
    assert not proves_of(spf("bounce@news.team.example"), by="zly.test")
    assert not proves_of(spf("bounce@news.team.example"), dkim(result="fail"), by="zly.test")


@pytest.mark.parametrize(
    ("header", "results"),
    [
        (signature("from:date:subject:message-id") + MAIL, (dkim(),)),  # as Exchange Online signs
        (signature("from:to") + MAIL, (dkim(),)),  # References may be anybody's
        (signature("from:to:references") + MAIL + "Cc: support+n.token@example.com\r\n", (dkim(),)),
        (signature(FULL) + "To: support+n.token@example.com\r\n" + MAIL, (dkim(),)),
        (signature(FULL) + MAIL + "Cc\x01: support+n.token@example.com\r\n", (dkim(),)),
        (signature(FULL) + MAIL + "Cc : support+n.token@example.com\r\n", (dkim(),)),
        (signature("from") + signature(FULL, "zly.test") + MAIL, (dkim(), dkim("zly.test"))),
        (signature(FULL, start="Forged") + signature("from") + MAIL, (dkim(b="AbCdEfGh"),)),
        (signature(FULL, start="Forged") + signature("from") + MAIL, (dkim(),)),  # which of them holds is not said
        (signature("from") + MAIL, (dkim(), spf("x@zly.test"))),
        (signature("from") + MAIL, (dkim(), spf("x@example"))),
        (MAIL, (dkim(),)),
        (signature("from:to:references") + MAIL, (dkim(),)),  # with another Message-ID it is new each time
        (signature(FULL) + BARE, (dkim(),)),
        (signature("from:to:message-id") + MAIL, ()),  # a hop that tells of DMARC alone
        (signature(FULL) + signature("from", start="Other") + MAIL, ()),
        (signature(FULL) + signature("from", "lists.team.example") + MAIL, ()),
        (signature(FULL) + BARE, ()),
        (signature("from") + MAIL, (spf("x@zly.test"),)),
    ],
)
def test_what_may_have_been_written_to_others_proves_nobody(header: str, results: tuple[MethodResult, ...]) -> None:
    """Who has it may send it on with another To, or with a further Cc."""
    assert not proves(header, *results)
