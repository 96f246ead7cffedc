"""Which way a mailbox's copies go."""

import pytest
from copies import settings_with

from routerd.delivery.hosts.host import TcpHost, UnixHost
from routerd.delivery.routes import Routes
from routerd.delivery.transports.lmtp import lmtp_host

ROUTES = Routes(
    settings_with(
        {"domain": "example.com", "smtp": ["mail.example.com:25", "mail2.example.com:25"]},
        {"domain": "lists.test", "lmtp": "unix:/run/dovecot/lmtp"},
        {"domain": "local.test", "maildir": "/var/mail/{local}"},
        {"domain": "here.test", "maildir": "/var/mail/{local}"},
        {"domain": "archive.test", "maildir": "/mnt/archive/{local}"},
        {"domain": "other.test", "smtp": ["mail.example.com:25", "mail2.example.com:25"], "tls": "required"},
        {"domain": "*", "smtp": "smart.example.net:587"},
        {"domain": "late.test", "maildir": "/never"},
    )
)


@pytest.mark.parametrize(
    ("mailbox", "destination"),
    [
        ("ewa@example.com", "smtp:mail.example.com:25,mail2.example.com:25"),
        ("ewa@EXAMPLE.com", "smtp:mail.example.com:25,mail2.example.com:25"),
        ("ewa@lists.test", "lmtp:unix:/run/dovecot/lmtp"),
        ("ewa@local.test", "maildir"),
        ("ewa@here.test", "maildir"),
        ("ewa@archive.test", "maildir#archive.test"),  # another disk, perhaps
        ("ewa@other.test", "smtp:mail.example.com:25,mail2.example.com:25#other.test"),
        ("ewa@sub.example.com", "smtp:smart.example.net:587"),
        ("ewa@late.test", "smtp:smart.example.net:587"),
    ],
)
def test_the_first_route_that_fits_is_taken(mailbox, destination):
    """By the mailbox's domain, in the order of the config; `*` is any, and what stands below it is never reached."""
    assert ROUTES.destination(mailbox) == destination


@pytest.mark.parametrize("mailbox", ["ewa@far.test", "jan@FAR.test", "ewa@near.test", "ewa@[192.0.2.1]"])
def test_by_mx_each_domain_is_a_destination(mailbox):
    """Whichever route by MX it is that fits."""
    routes = Routes(
        settings_with({"domain": "near.test", "mx": "true", "tls": "required"}, {"domain": "*", "mx": "true"})
    )
    domain = mailbox.partition("@")[2].lower()
    assert routes.destination(mailbox) == f"mx:{domain}"
    way = routes.way_for(mailbox)
    assert (way.domain, way.route.tls == "required") == (domain, domain == "near.test")


def test_all_that_are_maildirs_are_known():
    """For who asks for one by its path."""
    assert ROUTES.keys_of_maildirs() == ("maildir", "maildir#archive.test")


def test_a_mailbox_without_route_says_so():
    """No route is no error here: its copies are held with the reason."""
    routes = Routes(settings_with({"domain": "example.com", "smtp": "mail.example.com:25"}))
    assert routes.route_for("ewa@far.test") is None
    assert routes.destination("ewa@far.test") == "unrouted"


def test_lmtp_servers_are_unix_sockets_or_tcp():
    """`unix:/path` and `HOST:PORT`, IPv6 in brackets."""
    assert lmtp_host("unix:/run/x") == UnixHost("/run/x")
    assert lmtp_host("[::1]:24") == TcpHost("::1", 24)
    for wrong in ("unix:run/x", "localhost", "host:0", ":24"):
        with pytest.raises(ValueError):
            lmtp_host(wrong)
