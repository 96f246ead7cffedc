"""Addresses of the Sender Rewriting Scheme: as others write them, and what makes ours hold."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.config.settings import Addresses
from routerd.message.address import Address, parse_address
from routerd.message.key_ring import KeyRing
from routerd.message.srs import HASH_LENGTH, age_in_days, issue_srs, read_srs, unwrap, wrap
from routerd.message.token import ExpiredTokenError, ForgedTokenError, TokenError

# What PostSRSd publishes in its own tests: with this secret, at this moment.
SECRET = b"tops3cr3t"
AT = datetime(2020, 1, 1, 0, 1, tzinfo=UTC)

KEY = KeyRing.begun(b"k" * 32)
NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
DAY = timedelta(days=1)
MAX_AGE = timedelta(days=14)
SUPPORT = parse_address("support@example.com")


def issued(sender: str, at: datetime = NOW, inbox: Address = SUPPORT, key: KeyRing = KEY) -> Address:
    text = issue_srs(sender, inbox, at, Addresses(), key)
    assert text is not None
    return parse_address(text)


def read(address: Address, now: datetime = NOW, key: KeyRing = KEY) -> str:
    wrapped = unwrap(address.local)
    assert wrapped is not None
    return str(read_srs(wrapped, address.domain, key, now, MAX_AGE))


@pytest.mark.parametrize(
    ("sender", "local"),
    [
        (Address("test", "otherdomain.com"), "SRS0=vmyz=2W=otherdomain.com=test"),
        (Address("hash234", "somedomain.com"), "SRS0=-3_5=2W=somedomain.com=hash234"),
        (Address("SRS0=opaque+string", "otherdomain.com"), "SRS1=chaI=otherdomain.com==opaque+string"),
        (
            Address("SRS1=X=thirddomain.com==opaque+string", "otherdomain.com"),
            "SRS1=JIBX=thirddomain.com==opaque+string",
        ),
        (Address("test", "a" * 503 + ".net"), "SRS0=G7tR=2W=" + "a" * 503 + ".net=test"),
    ],
)
def test_addresses_are_wrapped_as_postsrsd_wraps_them(sender: Address, local: str) -> None:
    """The published vectors: plain senders, those of a forwarder, and of a second one."""
    assert wrap(sender, AT, SECRET) == local


@pytest.mark.parametrize(
    ("sender", "local"),
    [
        (Address("anna", "klient.pl"), "SRS0=9xWw=JL=klient.pl=anna"),
        (Address("Anna.Maria+7", "Klient.pl"), "SRS0=sFus=JL=Klient.pl=Anna.Maria+7"),
        (Address("SRS0+abc=xy=z.pl=q", "f.pl"), "SRS1=i3bS=f.pl=+abc=xy=z.pl=q"),
        (
            Address("user%with!everything&everything=", "domain.somewhere"),
            "SRS0=mX3f=JL=domain.somewhere=user%with!everything&everything=",
        ),
    ],
)
def test_addresses_are_wrapped_as_mail_srs_wraps_them(sender: Address, local: str) -> None:
    """What Mail::SRS 0.31 makes of senders such as its own tests have, with the same secret, on 22 November 2026."""
    assert wrap(sender, datetime(2026, 11, 22, 14, tzinfo=UTC), SECRET) == local


@pytest.mark.parametrize(
    ("local", "original"),
    [
        ("SRS0=vmyz=2W=otherdomain.com=test", "test@otherdomain.com"),
        ("SRS0=XjO9=2V=otherdomain.com=test", "test@otherdomain.com"),
        ("srs0=xjo9=2v=otherdomain.com=test", "test@otherdomain.com"),
        ("SRS0=XJO9=2V=OTHERDOMAIN.COM=TEST", "TEST@OTHERDOMAIN.COM"),
        ("SRS0=-3_5=2W=somedomain.com=hash234", "hash234@somedomain.com"),
        ("SRS0=+3/5=2W=somedomain.com=hash234", "hash234@somedomain.com"),
        ("SRS1=JIBX=thirddomain.com==opaque+string", "SRS0=opaque+string@thirddomain.com"),
        ("SRS0=te87=T7=otherdomain.com=test", "test@otherdomain.com"),
        ("SRS0=VcIb=7N=otherdomain.com=test", "test@otherdomain.com"),
        ("SRS0=iCvJ=2W=" + "a" * 478 + ".net=test", "test@" + "a" * 478 + ".net"),
    ],
)
def test_addresses_that_postsrsd_wrapped_are_read(local: str, original: str) -> None:
    """The published vectors, whatever a server on the way did to the case, and in both spellings of base64."""
    wrapped = unwrap(local)
    assert wrapped is not None
    assert wrapped.fits(SECRET)
    assert f"{wrapped.user}@{wrapped.host}" == original


@pytest.mark.parametrize(
    "local", ["SRS0=FAKE=2V=otherdomain.com=test", "SRS0=XjO9=2W=otherdomain.com=test", "SRS1=JIBY=thirddomain.com==x"]
)
def test_a_hash_over_anything_else_does_not_fit(local: str) -> None:
    """The published vector of a forged hash; a day and a user that were changed."""
    wrapped = unwrap(local)
    assert wrapped is not None
    assert not wrapped.fits(SECRET)


@pytest.mark.parametrize(
    "local",
    [
        "test",
        "",
        "SRS0",
        "SRS0=",
        "SRS0=XjO9",
        "SRS0=XjO9=2V",
        "SRS0=XjO9=2V=otherdomain.com",
        "SRS0=XjO9=2V=otherdomain.com=",
        "SRS0=XjO9=18=otherdomain.com=test",
        "SRS0=XjO=2V=otherdomain.com=test",
        "SRS0.XjO9=2V=otherdomain.com=test",
        "SRS1=JIBX=thirddomain.com=opaque",
        "SRS1=thirddomain.com==opaque",
        "SRS2=XjO9=2V=otherdomain.com=test",
        "xSRS0=XjO9=2V=otherdomain.com=test",
    ],
)
def test_what_lacks_a_part_is_no_address_of_the_scheme(local: str) -> None:
    """The published vectors without hash, day, host or user; an SRS1 of the old kind without a hash; near misses."""
    assert unwrap(local) is None


@pytest.mark.parametrize("separator", "=-+")
def test_other_separators_behind_the_tag_are_kept(separator: str) -> None:
    """Mail::SRS lets them be chosen: a forwarder gets his own back."""
    first = f"SRS0{separator}abcd=2W=klient.pl=anna"
    wrapped = unwrap(wrap(Address(first, "forwarder.example"), AT, SECRET))
    assert wrapped is not None
    assert (wrapped.user, wrapped.host) == (first, "forwarder.example")


@pytest.mark.parametrize(
    ("stamp", "age"), [("2W", 0), ("2V", 1), ("2w", 0), ("2X", -1), ("2Y", 1022), ("T7", 215), ("7N", 873)]
)
def test_the_day_is_counted_back_over_the_wrap(stamp: str, age: int) -> None:
    """The published stamps: half a year ago, and as much ahead, which may as well be more than two years ago."""
    assert age_in_days(stamp, AT) == age


def test_a_day_before_the_wrap_is_not_long_ago() -> None:
    """Day 1,023 of one round, read on day 3 of the next."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=20 * 1024 - 1)
    stamp = wrap(Address("anna", "klient.pl"), at, SECRET).split("=")[2]
    assert stamp == "77"
    assert age_in_days(stamp, at + 4 * DAY) == 4


ATEXT = "abcXYZ019!#$%&'*+/=?^_`{|}~-"
LOCALS = st.lists(st.text(ATEXT, min_size=1, max_size=5), min_size=1, max_size=3).map(".".join)


@given(local=LOCALS | st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=16))
def test_what_is_issued_leads_back(local: str) -> None:
    """Whatever a local part holds, quoted or not, in the path as it is written; or nothing is issued."""
    sender = str(Address(local, "klient.pl"))
    path = issue_srs(sender, SUPPORT, NOW, Addresses(), KEY)
    if path is not None:
        assert read(parse_address(path)) == sender


def test_a_quoted_sender_makes_a_quoted_path() -> None:
    """The quotes go round the whole local part."""
    path = issue_srs('"anna b"@klient.pl', SUPPORT, NOW, Addresses(), KEY)
    assert path is not None
    assert path.startswith('"SRS0=')
    assert path.endswith('=klient.pl=anna b"@example.com')


def test_case_that_was_lost_on_the_way_does_no_harm() -> None:
    """But for what it does to the sender's own name."""
    path = issued("Anna@klient.pl")
    assert read(Address(path.local.lower(), path.domain)) == "anna@klient.pl"
    assert read(Address(path.local.upper(), path.domain)) == "ANNA@klient.pl"


@pytest.mark.parametrize("days", [0, 1, 14])
def test_it_holds_for_fourteen_days_and_its_own(days: int) -> None:
    """Also from one secret to the next, and where the clock was set back over midnight."""
    for begin in range(30):
        made_at = NOW + begin * DAY
        assert read(issued("anna@klient.pl", made_at), made_at + days * DAY) == "anna@klient.pl"
    assert read(issued("anna@klient.pl", NOW), NOW - DAY) == "anna@klient.pl"


@pytest.mark.parametrize("days", [15, 100, 1000, 1022])
def test_it_expires(days: int) -> None:
    """Said as that, as long as its day is known."""
    with pytest.raises(ExpiredTokenError):
        read(issued("anna@klient.pl"), NOW + days * DAY)


@pytest.mark.parametrize("days", [1023, 1024, 1030, 2048])
def test_it_does_not_hold_again_when_its_day_comes_round(days: int) -> None:
    """The usual ones do."""
    with pytest.raises(ForgedTokenError):
        read(issued("anna@klient.pl"), NOW + days * DAY)


def test_an_srs1_ends_though_it_names_no_day() -> None:
    """Within four weeks, and not before two."""
    for begin in range(30):
        made_at = NOW + begin * DAY
        path = issued("SRS0=opaque@forwarder.example", made_at)
        assert read(path, made_at + 14 * DAY) == "SRS0=opaque@forwarder.example"
        with pytest.raises(TokenError):
            read(path, made_at + 28 * DAY)


def test_it_holds_for_its_domain_and_secret_only() -> None:
    """One of another inbox's domain, or of another daemon, proves nothing."""
    path = issued("anna@klient.pl")
    with pytest.raises(ForgedTokenError):
        read(Address(path.local, "example.org"))
    with pytest.raises(ForgedTokenError):
        read(path, key=KeyRing.begun(b"x" * 32))


def test_a_short_hash_is_not_enough() -> None:
    """What fits is the beginning of the right one: with 4 characters a million tries would do."""
    tag, hash_, rest = issued("anna@klient.pl").local.split("=", 2)
    assert len(hash_) == HASH_LENGTH
    with pytest.raises(ForgedTokenError):
        read(Address(f"{tag}={hash_[:4]}={rest}", "example.com"))


@pytest.mark.parametrize("place", range(5, 13))
def test_each_character_of_the_hash_counts(place: int) -> None:
    """One changed, and it is forged."""
    local = issued("anna@klient.pl").local
    changed = local[:place] + ("x" if local[place] not in "xX" else "y") + local[place + 1 :]
    with pytest.raises(ForgedTokenError):
        read(Address(changed, "example.com"))


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "jan@example.com",
        "jan@EXAMPLE.com",
        "anna@[192.0.2.1]",
        "SRS1=X=[192.0.2.1]==opaque@forwarder.example",
        "SRS1=X=example.com==opaque@forwarder.example",
        "żaba@klient.pl",
        "=?utf-8?q?a?=@klient.pl",
        "no address",
        f"{'a' * 40}@klient.pl",
        f"a@{'b' * 60}.pl",
    ],
)
def test_some_senders_cannot_be_wrapped(sender: str) -> None:
    """Who is nobody, one of this domain, or would need a path that not every server takes."""
    assert issue_srs(sender, SUPPORT, NOW, Addresses(), KEY) is None


def test_the_longest_that_fits_is_issued() -> None:
    """64 octets before the @ (RFC 5321 4.5.3.1.1), which leave 46 to the sender's own two parts."""
    assert len(issued(f"{'a' * 37}@klient.pl").local) == 64
    assert issue_srs(f"{'a' * 38}@klient.pl", SUPPORT, NOW, Addresses(), KEY) is None


def test_it_stands_at_the_domain_of_routerds_own_addresses() -> None:
    """As the tokens do where details do not arrive."""
    style = Addresses(style="domain", domain="desk.example.com")
    assert str(issue_srs("anna@klient.pl", SUPPORT, NOW, style, KEY)).endswith("=klient.pl=anna@desk.example.com")
