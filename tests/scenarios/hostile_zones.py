"""Zones that real name servers serve, of domains that mean no good, or have made mistakes."""

from collections.abc import Iterable

from peers.signing_keys import SigningKey

CLIENT = "9.8.7.6"
REVERSE = "6.7.8.9.in-addr.arpa."
CROWDED = "9.8.7.5"  # of many names, none of which leads back
CROWDED_REVERSE = "5.7.8.9.in-addr.arpa."


def strings(text: str) -> str:
    """A TXT record's strings, as many as it takes."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


def txt(name: str, text: str) -> str:
    return f"{name} TXT {strings(text)}"


def _chain(name: str, length: int, last: str) -> Iterable[str]:
    """`name` includes the next, and so on."""
    yield txt(name, f"v=spf1 include:{name}-1.test -all")
    for number in range(1, length):
        yield txt(f"{name}-{number}", f"v=spf1 include:{name}-{number + 1}.test -all")
    yield txt(f"{name}-{length}", last)


def _with_many_exchangers(name: str, count: int) -> Iterable[str]:
    """The last of them has the client's address."""
    yield txt(name, f"v=spf1 mx:mail-of-{name}.test -all")
    for number in range(count):
        yield f"mail-of-{name} MX {number} mx{number}.{name}"
        yield f"mx{number}.{name} A {CLIENT if number == count - 1 else '192.0.2.1'}"


_ADDRESSES = " ".join(f"ip4:198.51.{number // 250}.{number % 250}" for number in range(200))
_PASS = f"v=spf1 ip4:{CLIENT} -all"

ZONE = "\n".join(
    (
        txt("good", _PASS),
        txt("stranger", "v=spf1 ip4:192.0.2.1 -all"),
        "alias CNAME good",
        *(f"hop{number} CNAME hop{number + 1}" for number in range(40)),
        "hop40 CNAME good",
        "loop1 CNAME loop2",
        "loop2 CNAME loop1",
        "itself CNAME itself",
        *_with_many_exchangers("ten-mx", 10),
        *_with_many_exchangers("hundred-mx", 100),
        *_chain("nine-includes", 9, _PASS),
        *_chain("twenty-includes", 20, _PASS),
        txt("side-by-side", f"v=spf1 {' '.join(f'include:inner{number}.test' for number in range(20))} -all"),
        *(txt(f"inner{number}", "v=spf1 -all") for number in range(20)),
        txt("includes-itself", "v=spf1 include:includes-itself.test -all"),
        txt("redirects-in-a-ring", "v=spf1 redirect=ring.test"),
        txt("ring", "v=spf1 redirect=redirects-in-a-ring.test"),
        txt("two-records", _PASS),
        txt("two-records", "v=spf1 -all"),
        txt("long", f"v=spf1 {_ADDRESSES} ip4:{CLIENT} -all"),
        txt("huge", f"v=spf1 {_ADDRESSES * 12} ip4:{CLIENT} -all"),
        *(txt("chatty", f"site-verification={number}") for number in range(40)),
        txt("chatty", _PASS),
        *(txt("crowd", f"{number:03} {'x' * 200}") for number in range(120)),
        txt("voids", "v=spf1 a:no1.test a:no2.test a:no3.test +all"),
        txt("two-voids", f"v=spf1 a:no1.test a:no2.test ip4:{CLIENT} -all"),
        txt("asks-the-broken", "v=spf1 include:x.broken.test +all"),
        txt("asks-the-silent", "v=spf1 include:x.silent.test +all"),
        txt("asks-a-loop", "v=spf1 a:loop1.test +all"),
        txt("not-needed", f"v=spf1 ip4:{CLIENT} include:x.silent.test -all"),
        txt("by-name", "v=spf1 ptr:far.test -all"),
        txt("by-macro", "v=spf1 exists:%{ir}.%{l}.allowed.test -all"),
        "*.allowed A 127.0.0.2",
        txt("_dmarc.good", "v=DMARC1; p=reject"),
        "_dmarc.alias CNAME _dmarc.good",
        "_dmarc.loop1 CNAME _dmarc.loop1",
        txt("_dmarc.two-records", "v=DMARC1; p=reject"),
        txt("_dmarc.two-records", "v=DMARC1; p=none"),
        txt("_dmarc.huge", f"v=DMARC1; p=reject; rua={'x' * 40_000}"),
        *(txt("_dmarc.chatty", f"not DMARC {number}") for number in range(40)),
        txt("_dmarc.chatty", "v=DMARC1; p=quarantine"),
        "",
    )
)
ZONE += f"mail.far A {CLIENT}\n"
ROOT = "\n".join(
    (
        *(f"{REVERSE} PTR name{number}.elsewhere.test." for number in range(8)),
        f"{REVERSE} PTR mail.far.test.",
        *(f"{CROWDED_REVERSE} PTR name{number}.elsewhere.test." for number in range(80)),
        "",
    )
)


def key_records(key: SigningKey) -> str:
    """The same key at many selectors of `keys.test`, each in a state of its own."""
    at = "_domainkey.keys"
    return "\n".join(
        (
            txt(f"plain.{at}", key.record),
            f"alias.{at} CNAME plain.{at}",
            f"loop.{at} CNAME loop.{at}",
            f"split.{at} TXT {' '.join(f'{character!r}' for character in key.record)}".replace("'", '"'),
            txt(f"two.{at}", "v=spf1 -all"),
            txt(f"two.{at}", key.record),
            txt(f"revoked.{at}", "v=DKIM1; p="),
            txt(f"nonsense.{at}", "\\255\\000;;;p=p=p"),
            txt(f"long.{at}", f"{key.record}; n={'x' * 5_000}"),
            txt(f"huge.{at}", f"{key.record}; n={'x' * 40_000}"),
            txt(f"testing.{at}", f"{key.record}; t=y"),
            f"address.{at} A 192.0.2.1",
            "",
        )
    )
