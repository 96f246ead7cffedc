"""Two routerds whose postmasters have their mailboxes behind each other."""

import smtplib
from collections.abc import Callable
from typing import Any

from peers.daemon import RouterdDaemon
from peers.postfix import Postfix

CONFIG = """
hostname: mx.{here}.example
state: "{{folder}}/state"
rules: "{{folder}}/rules.d"
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}"}}}}
  - {{{{address: "127.0.0.1:{{lmtp_port}}", protocol: lmtp}}}}
trusted_networks: [127.0.0.0/8]
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: duty
members:
  ewa: {{{{mailbox: ewa@refused.example}}}}
  chief: {{{{mailbox: chief@{there}.example}}}}
  second: {{{{mailbox: second@{there}.example}}}}
teams:
  duty: {{{{members: [chief, second], pick: first}}}}
inboxes:
  support@{here}.example: {{{{default: ewa}}}}
  chief@{here}.example: {{{{default: duty}}}}
  second@{here}.example: {{{{default: duty}}}}
delivery:
  - {{{{domain: {there}.example, smtp: "127.0.0.1:{port}", tls: none}}}}
  - {{{{domain: "*", smtp: "127.0.0.1:{refusing}", tls: none}}}}
retry: {{{{first: 1s, factor: 1, max: 1s}}}}
"""


def test_they_do_not_tell_each_other_for_ever(
    routerd: Callable[..., RouterdDaemon],
    behind: Callable[..., Postfix],
    free_port: Callable[[], int],
    wait_until: Any,
) -> None:
    """One notice, which the other cannot bring to its own postmaster: held there, and nobody is told of it."""
    refusing = behind("mail.example.com", [], settings={"smtpd_data_restrictions": "reject"})
    ports = {"a": free_port(), "b": free_port()}
    daemons = {}
    for here, there in (("a", "b"), ("b", "a")):
        config = CONFIG.format(here=here, there=there, port=ports[there], refusing=refusing.port)
        daemons[here] = routerd(config=config.replace("{smtp_port}", str(ports[here])), rules={})
    one, other = daemons["a"], daemons["b"]
    _send(ports["a"], "support@a.example")
    wait_until(lambda: one.metric("routerd_notices_total") == 1, "its notice", trouble=one.log_text)
    wait_until(lambda: other.metric("routerd_queue_copies", state="held") == 2, "what is held", trouble=other.log_text)
    _send(ports["b"], "support@b.example")
    [told] = other.wait_for_event("postmaster_told")  # what came before it would be told of before it
    assert told["about"] == "ewa@refused.example"
    assert not other.log_events("postmaster_untold")
    assert len(one.log_events("postmaster_told")) == 1


def _send(port: int, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail("anna@klient.pl", [recipient], b"Subject: parcel\r\n\r\nWhere?\r\n")
