"""Ways in which mail servers of forty years were talked into carrying a stranger's mail on.

They are for a server called mx1.example.com with the inboxes support@ and billing@example.com and the alias
help@desk.example.net, whose members' mailboxes are at mail.example.com.
"""

from dataclasses import dataclass

VICTIM = b"victim@far.test"
STRANGER = b"<spammer@stranger.test>"


@dataclass(frozen=True, slots=True)
class Trick:
    """One transaction. `rcpt` stands behind `RCPT TO:` as it is, `mail` behind `MAIL FROM:`; `before` are lines said
    ahead of MAIL. `{token}` in `rcpt` and `mail` is that of a real return path of support@example.com.

    `ours`: it only looks like a trick; the mail is for an inbox, and the inbox's owner gets it.
    """

    rcpt: bytes
    mail: bytes = STRANGER
    before: tuple[bytes, ...] = ()
    ours: bool = False

    @property
    def name(self) -> str:
        parts = [*self.before, *([self.mail] if self.mail != STRANGER else []), self.rcpt]
        shown = ascii(b" | ".join(parts).decode("utf-8", "surrogateescape"))
        return shown if len(shown) <= 120 else f"{shown[:117]}..."


def _refused(*paths: bytes) -> tuple[Trick, ...]:
    return tuple(Trick(path) for path in paths)


def _ours(*paths: bytes) -> tuple[Trick, ...]:
    return tuple(Trick(path, ours=True) for path in paths)


_PLAIN = _refused(
    b"<victim@far.test>",
    b"<VICTIM@FAR.TEST>",
    b"victim@far.test",
    b" <victim@far.test>",
    b"<victim@far.test",
    b"victim@far.test>",
    b"<victim@[192.0.2.1]>",
    b"<victim@[IPv6:2001:db8::1]>",
    b"<victim@localhost>",
)

_PERCENT = _refused(
    b"<victim%far.test@example.com>",
    b"<victim%far.test@mx1.example.com>",
    b"<victim%far.test@mail.example.com>",
    b"<victim%far.test@localhost>",
    b"<victim%far.test@[127.0.0.1]>",
    b"<victim%far.test@[IPv6:::1]>",
    b"<victim%far.test@>",
    b"<victim%far.test>",
    b"<victim%far.test%example.com@example.com>",
    b"<support%example.com@far.test>",
    b"<support%far.test@example.com>",
    b'<"victim%far.test"@example.com>',
    b"<victim%example.com@far.test>",
    b"<postmaster%far.test@example.com>",
    b"<postmaster%far.test>",
)

_BANG = _refused(
    b"<far.test!victim>",
    b"<far.test!victim@example.com>",
    b"<far.test!victim@mx1.example.com>",
    b"<far.test!victim@[127.0.0.1]>",
    b"<example.com!far.test!victim>",
    b"<example.com!victim@far.test>",
    b"<example.com!support@far.test>",
    b"<@example.com:far.test!victim>",
    b'<"far.test!victim"@example.com>',
    b"<far.test!victim%example.com@example.com>",
    b"<far.test::victim@example.com>",  # DECnet
    b"<far.test::victim>",
)

_AT = _refused(
    b"<victim@far.test@example.com>",
    b"<victim@far.test@mx1.example.com>",
    b"<victim@far.test@[127.0.0.1]>",
    b"<support@example.com@far.test>",
    b'<"victim@far.test"@example.com>',
    b'<"victim@far.test"@mx1.example.com>',
    b'<"victim@far.test"@[127.0.0.1]>',
    b'<"victim@far.test">',
    b'<"victim@far.test"@>',
    b'<"support@example.com"@far.test>',
    b'<"victim\\@far.test"@example.com>',
    b"<victim\\@far.test@example.com>",
    b'<"\\"victim@far.test\\""@example.com>',
    b'<""victim@far.test""@example.com>',
    b'<"victim"@far.test@example.com>',
    b'<victim"@far.test"@example.com>',
    b'<"victim@far.test"."x"@example.com>',
    b'<"<victim@far.test>"@example.com>',
    b'<"support>@example.com"@far.test>',
    b'<"support@example.com> "@far.test>',
    b'<" victim@far.test"@example.com>',
    b"<'victim@far.test'@example.com>",
    b"<`victim@far.test`@example.com>",
)

_ROUTES = (
    *_refused(
        b"<@example.com:victim@far.test>",
        b"<@mx1.example.com:victim@far.test>",
        b"<@[127.0.0.1]:victim@far.test>",
        b"<@localhost:victim@far.test>",
        b"<@example.com,@far.test:victim@far.test>",
        b"<@far.test:victim@example.com>",
        b"<@example.com:victim%far.test@example.com>",
        b'<@example.com:"victim@far.test"@example.com>',
        b"<@example.com:@far.test:victim@far.test>",
        b"<@example.com:victim@far.test@example.com>",
        b"<@far.test:support>",
        b"<@example.com>",
        b"<@:victim@far.test>",
        b"<:victim@far.test>",
        b"<support@example.com:victim@far.test>",
        b"<@" + b",@".join([b"example.com"] * 90) + b":victim@far.test>",
    ),
    *_ours(b"<@far.test:support@example.com>"),  # RFC 5321 appendix C: the route is dropped
)

_GATEWAYS = _refused(
    b"<IMCEASMTP-victim+40far+2Etest@example.com>",  # Exchange's encapsulated addresses
    b"<IMCEAEX-_O=FAR_OU=TEST_cn=victim@example.com>",
    b"<SMTP:victim@far.test>",
    b'<"SMTP:victim@far.test"@example.com>',
    b"<[SMTP:victim@far.test]>",
    b'<"/G=victim/S=far/O=test/ADMD= /C=XX/"@example.com>',  # X.400
    b"</DD.RFC-822=victim(a)far.test/@example.com>",
    b'<"victim@far.test"@example.com.uucp>',
    b"<victim@far.test.uucp>",
    b"<|/bin/mail victim@far.test>",
    b'<"|/bin/mail victim@far.test"@example.com>',
    b"</var/mail/victim@example.com>",
    b"<:include:/etc/passwd@example.com>",
)

_SHAPES = _refused(
    b"<<victim@far.test>>",
    b"<support@example.com<victim@far.test>>",
    b"<<support@example.com>victim@far.test>",
    b"<support@example.com><victim@far.test>",
    b"<support@example.com> <victim@far.test>",
    b"<support@example.com>,<victim@far.test>",
    b"<support@example.com,victim@far.test>",
    b"<support@example.com;victim@far.test>",
    b"<support@example.com victim@far.test>",
    b"victim@far.test <support@example.com>",
    b'"support@example.com" <victim@far.test>',
    b"<list:victim@far.test;>",
    b"<victim(comment)@far.test>",
    b"<support@example.com(victim@far.test)>",
    b"<victim@far.test(@example.com)>",
    b"<(support@example.com)victim@far.test>",
    b"< victim@far.test>",
    b"<victim@far.test >",
    b"<victim @far.test>",
    b"<victim@ far.test>",
    b"<victim@far.test\t@example.com>",
    b"<support@example.com>\t<victim@far.test>",
    b"<victim@far.test" + b" " * 990 + b"@example.com>",
    b"<" + b"v" * 70 + b"@example.com>",
)

_CONTROLS = _refused(
    b"<victim@far.test\r@example.com>",
    b"<victim@far.test\n@example.com>",
    b"<support@example.com\r\nRCPT TO:<victim@far.test>",
    b"<support@example.com\nRCPT TO:<victim@far.test>",
    b"<support@example.com\r\n RCPT TO:<victim@far.test>",
    b"<support@example.com\rRCPT TO:<victim@far.test>",
    b"<victim@far.test\0@example.com>",
    b"<support@example.com\0>\0<victim@far.test>",
    b"<victim\x08@far.test>",
    b"<victim\x7f@far.test>",
    b'<"victim@far.test\r\n"@example.com>',
)

_LETTERS = (
    *_refused(
        "<victim＠far.test@example.com>".encode(),  # full-width @
        "<victim@far.test＠example.com>".encode(),
        "<victim％far.test@example.com>".encode(),
        "<support@ｅxample.com>".encode(),
        "<support@еxample.com>".encode(),  # Cyrillic е
        "<suppоrt@example.com>".encode(),  # Cyrillic о
        "<\u017fupport@example.com>".encode(),  # upper-cases to an S
        "<support@example。com>".encode(),  # ideographic full stop
        "<support@example．com>".encode(),
        "<support@exa\u00admple.com>".encode(),  # soft hyphen
        "<support\u200b@example.com>".encode(),  # zero width space
        "<victim@far.test\u2028@example.com>".encode(),
        "<\u202esupport@example.com>".encode(),
        b"<support@xn--example-.com>",
        b"<victim\xc1\x80far.test@example.com>",  # @ in overlong UTF-8
        b"<victim\xa5far.test@example.com>",
        b"<victim+AEA-far.test@example.com>",  # @ in UTF-7
        b"<=?utf-8?q?victim=40far.test?=@example.com>",
        b"<=?utf-8?b?dmljdGltQGZhci50ZXN0?=@example.com>",
        b"<=?utf-8?q?support?=@example.com>",
        b"<=?utf-8?q?a=0d=0aRCPT_TO:=3cvictim=40far.test=3e=0d=0a?=@example.com>",
        b"<=?utf-8?q?victim=40far.test?=>",
    ),
    *_ours(b"<SUPPORT@EXAMPLE.COM>", b'<"support"@example.com>', b'<"s\\upport"@Example.Com>'),
)

_DOMAINS = _refused(
    b"<>",
    b"<victim>",
    b"<support>",
    b"<victim@>",
    b"<@>",
    b"<victim@far.test.>",
    b"<victim%far.test.@example.com>",
    b"<support@example.com.>",
    b"<support@.example.com>",
    b"<support@example..com>",
    b"<victim@sub.example.com>",
    b"<support@sub.example.com>",
    b"<support@mx1.example.com>",
    b"<support@com>",
    b"<support@farexample.com>",
    b"<support@example.com.far.test>",
    b"<support@example-com>",
    b"<support@localhost>",
    b"<support@127.0.0.1>",
    b"<support@[127.0.0.1]>",
    b"<support@[127.1]>",
    b"<support@[IPv6:::1]>",
    b"<support@[IPv6:::ffff:127.0.0.1]>",
    b"<support@[example.com]>",
    b"<support@#2130706433>",
    b"<support@2130706433>",
    b"<support@[127.0.0.1>",
)

_DETAILS = (
    *_refused(
        b"<victim+support@example.com>",
        b"<SRS0=abcd=AA=far.test=victim@example.com>",
        b"<SRS0=abcdefgh=AA=far.test=victim@example.com>",
        b"<srs0+abcdefgh=aa=far.test=victim@example.com>",
        b"<SRS1=abcdefgh=far.test==abcd=AA=deeper.test=victim@example.com>",
        b'<"SRS0=abcdefgh=AA=far.test=vic tim"@example.com>',
        b"<+victim@example.com>",
        b"<support+x@far.test>",
        b"<support+x@far.test@example.com>",
        b"<support+b.aaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.com>",
        b"<billing+b.{token}@example.com>",  # made for another inbox
        b"<ewa+b.{token}@example.com>",
        b"<victim+b.{token}@far.test>",
        b"<support+b.{token}@far.test>",
        b"<support+b.{token}@mx1.example.com>",
        b"<support+b.{token}%far.test@example.com>",
        b"<support+victim%far.test@example.com>",
        b"<support+far.test!victim@example.com>",
        b"<support+@far.test:victim@example.com>",
        b"<b.{token}@example.com>",
    ),
    *_ours(
        b"<support+victim=far.test@example.com>",
        b'<"support+victim far.test"@example.com>',
        b"<support+b.victim@example.com>",  # no token by its looks
        b"<support+b.{token}x@example.com>",
    ),
)

_NAMES = (
    *_refused(
        b"<ewa@mail.example.com>",  # a member's own mailbox: what is for him alone does not come this way
        b"<jan@mail.example.com>",
        b"<JAN@MAIL.EXAMPLE.COM>",
        b"<ewa.nowak@example.com>",
        b"<ewa@example.com>",
        b"<jan@example.com>",
        b"<duty@example.com>",
        b"<duty>",
        b"<postmaster@far.test>",
        b"<postmaster@mail.example.com>",
        b"<postmaster@[127.0.0.1]>",
        b"<postmaster@>",
        b'<"postmaster"@far.test>',
        b"<abuse>",
        b"<root>",
        b"<root@example.com>",
        b"<mailer-daemon@example.com>",
        b"<postmaster+victim=far.test@example.com>",
        b"<help@example.com>",
        b"<victim@desk.example.net>",
        b"<support@desk.example.net>",
        b"<*@example.com>",
        b"<@example.com:*>",
    ),
    *_ours(
        b"<postmaster@example.com>",
        b"<Postmaster>",
        b"<abuse@example.com>",
        b"<help@desk.example.net>",
        b"<Help+x@desk.example.net>",
    ),
)

_PARAMETERS = _refused(
    b"<victim@far.test> ORCPT=rfc822;support@example.com",
    b"<support@example.com> ORCPT=rfc822;victim@far.test",
    b"<support@example.com> NOTIFY=SUCCESS,FAILURE",
    b"<support@example.com> TO:<victim@far.test>",
    b"<support@example.com> RCPT TO:<victim@far.test>",
    b"<support@example.com> RRVS=2014-04-03T23:01:00Z",
    b"<support@example.com> FORWARD=victim@far.test",
    b"TO:<victim@far.test>",
    b"<support@example.com>victim@far.test",
)

_SENDERS = tuple(
    Trick(b"<" + VICTIM + b">", mail)
    for mail in (
        b"<>",
        b"<support@example.com>",
        b"<victim@example.com>",
        b"<postmaster@example.com>",
        b"<postmaster>",
        b"<spammer>",
        b"<jan@mail.example.com>",
        b"<spammer@localhost>",
        b"<spammer@mx1.example.com>",
        b"<spammer@[127.0.0.1]>",
        b"<@example.com:spammer@stranger.test>",
        b"<spammer%stranger.test@example.com>",
        b"<support+b.{token}@example.com>",
        b"<victim@far.test>",
        b"<spammer@stranger.test> RCPT TO:<victim@far.test>",
        b"<spammer@stranger.test> AUTH=jan@mail.example.com",
        b"<spammer@stranger.test> AUTH=<>",
        b"<spammer@stranger.test> RET=FULL ENVID=x",
        b"<spammer@stranger.test\r\nRCPT TO:<victim@far.test>",
    )
)

_PRETENCES = tuple(
    Trick(b"<" + VICTIM + b">", before=before)
    for before in (
        (b"EHLO mx1.example.com",),
        (b"EHLO localhost",),
        (b"EHLO [127.0.0.2]",),
        (b"HELO example.com",),
        (b"XCLIENT ADDR=127.0.0.2 NAME=localhost LOGIN=jan",),  # Postfix's words for trusted clients
        (b"XFORWARD ADDR=127.0.0.2 NAME=localhost",),
        (b"PROXY TCP4 127.0.0.2 127.0.0.1 4000 25",),
        (b"AUTH PLAIN AGphbgBqYW4=",),
        (b"AUTH EXTERNAL =",),
        (b"AUTH ANONYMOUS",),
        (b"DEBUG", b"WIZ"),
        (b"ETRN far.test",),
        (b"TURN",),
        (b"ATRN far.test",),
        (b"SEND FROM:<support@example.com>",),
        (b"VRFY victim@far.test", b"EXPN support@example.com"),
    )
)

TRICKS = (
    *_PLAIN,
    *_PERCENT,
    *_BANG,
    *_AT,
    *_ROUTES,
    *_GATEWAYS,
    *_SHAPES,
    *_CONTROLS,
    *_LETTERS,
    *_DOMAINS,
    *_DETAILS,
    *_NAMES,
    *_PARAMETERS,
    *_SENDERS,
    *_PRETENCES,
)
