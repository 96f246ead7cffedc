"""Config files that are right, from which the tests of this room make wrong ones."""

SMALL = """\
postmaster: jan
members:
  jan: {mailbox: jan@example.com}
inboxes:
  support@example.com: {default: jan}
delivery:
  - {domain: "*", smtp: "mail.example.com:25"}
"""

FULL = """\
hostname: mx1.example.com
state: /var/lib/routerd
rules: rules.d
workers: 1
listen:
  - {address: "0.0.0.0:25"}
  - {address: "127.0.0.1:10025", protocol: lmtp}
  - {systemd: submission, tls: may}
trusted_networks: [127.0.0.0/8, "::1/128"]
authserv_ids: [mx.example.com]
proxies: []
dnsbl: [zen.spamhaus.org, {zone: bl.example.org, answers: 127.0.0.2, reject: true},
        {zone: b2.example.org, answers: [127.0.0.4, 127.0.1.0/24]}]
dns: {servers: [127.0.0.1, "[::1]:5353"], timeout: 3s}
limits: {message_size: 50MB, recipients: 1000, connections: 1000, connections_per_client: 50, rule_text: 256KB,
         memory: 512MB}
http: {address: 127.0.0.1:9925}
postmaster: duty
members:
  ewa:  {name: Ewa Nowak, mailbox: ewa@example.com, addresses: [ewa.nowak@example.com],
         away: [2026-12-20..2027-01-02], deputy: jan}
  jan:  {mailbox: jan@example.com, calendar: office}
teams:
  finance: {members: [ewa, jan], pick: round_robin, fallback: duty, calendar: office}
  duty:    {members: [jan], pick: first}
calendars:
  office: {zone: Europe/Warsaw, days: [mon-thu, fri], hours: ["08:00-12:00", 13:00-17:00],
           holidays: [2026-05-01, 2026-12-24..2026-12-26]}
  night: {zone: UTC, days: mon-sun, hours: 22:00-06:00, holidays: 2026-12-24}
inboxes:
  support@example.com: {default: duty, copies: owner, aliases: [help@example.com]}
  billing@example.com: {default: finance}
addresses: {style: plus, delimiter: "+"}
delivery:
  - {domain: example.com, smtp: "mail.example.com:25", tls: required, trusts_us: true}
  - {domain: local.test, maildir: "/var/mail/{local}"}
  - {domain: lists.test, lmtp: "unix:/run/dovecot/lmtp"}
  - {domain: far.test, smtp: ["smart.example.net:587", "[2001:db8::1]:587"], tls: required}
retry: {first: 5m, factor: 2, max: 4h, give_up: 5d, warn: 4h, reroute_after: 4h}
return_path: inbox
bounce_window: 7d
retain: {events: 2y, bodies: 0d}
limits_of_rules:
  - {files: "20-finance*.yaml", inboxes: [support@example.com, billing@example.com],
     labels: [invoice, complaint, urgent, "fin/*"], assign: [finance]}
"""
