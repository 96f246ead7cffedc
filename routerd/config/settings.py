"""`routerd.yaml` as values. Each key's type, default and help stand here and nowhere else.

The JSON Schema and the README's reference are made from these models; `load` adds places and the checks across keys.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from routerd.config.auth_settings import DkimKey, DmarcPolicy
from routerd.config.calendar_values import Holidays, HoursList, TimeOfDay, Weekdays, WeekdaysList, Zone, days_of
from routerd.config.desk_settings import SenderName, Show
from routerd.config.intake_settings import (
    Dns,
    DnsList,
    DnsListOrZone,
    Limits,
    Listener,
    ListenProtocol,
    ListenTls,
    TlsFiles,
    TrustedLimits,
)
from routerd.config.model import Model
from routerd.config.templates import TemplateFolder
from routerd.config.values import (
    PLACEHOLDER,
    Absences,
    Bool,
    Days,
    Domain,
    Duration,
    Endpoint,
    Factor,
    FilePath,
    HostPort,
    InboxKey,
    LmtpServer,
    MailAddress,
    MaildirTemplate,
    Name,
    Network,
    NextHops,
    RouteDomain,
    Text,
    Workers,
    parse_duration,
    parse_size,
)
from routerd.config.working_hours import WorkingHours
from routerd.message.address import Address

__all__ = [
    "Addresses",
    "Calendar",
    "Days",
    "DkimKey",
    "DmarcPolicy",
    "Dns",
    "DnsList",
    "Escalation",
    "HostPort",
    "Http",
    "Inbox",
    "Limits",
    "ListenProtocol",
    "ListenTls",
    "Listener",
    "Member",
    "Model",
    "Pick",
    "Reports",
    "Retain",
    "Retry",
    "Route",
    "RuleLimit",
    "Settings",
    "Show",
    "SmtpAuth",
    "Team",
    "TlsFiles",
    "TlsPolicy",
    "TrustedLimits",
    "parse_duration",
    "parse_size",
]

RULE_ACTIONS = ("header", "hold", "reassign", "reply", "approve", "reject", "forward", "stop-all", "all")
RuleAction = Annotated[Text, WithJsonSchema({"enum": list(RULE_ACTIONS)})]


class TlsPolicy(StrEnum):
    NONE = "none"
    MAY = "may"
    REQUIRED = "required"


class Pick(StrEnum):
    ROUND_ROBIN = "round_robin"
    FIRST = "first"
    RANDOM = "random"
    LEAST_LOADED = "least_loaded"
    LAST = "last"


class Http(Model):
    address: Endpoint = Field(
        HostPort(host="127.0.0.1", port=9925), description="where /metrics, /healthz and /readyz are served"
    )
    token: Text | None = Field(
        None, description="Bearer token that a scraper must send; needed on other than loopback, or `allow`"
    )
    allow: tuple[Network, ...] = Field((), description="networks that may ask, on other than loopback")


class Calendar(Model):
    zone: Zone = Field(description="IANA time zone of its hours, such as Europe/Warsaw")
    days: WeekdaysList = Field((Weekdays(0, 4),), min_length=1, description="working days: mon-fri, or [mon, wed-fri]")
    hours: HoursList = Field(
        max_length=24,
        min_length=1,
        description="working hours: 08:00-17:00, or several; the end is excluded, 22:00-06:00 belongs to the day it "
        "starts",
    )
    holidays: Holidays = Field(
        (),
        description="days off: a file with one date or range a line and # comments, relative to this file; or a list",
    )

    @property
    def working_hours(self) -> WorkingHours:
        days = frozenset(number for days in self.days for number in days.numbers)
        return WorkingHours(self.zone, days, self.hours, days_of(self.holidays))


class Member(Model):
    name: Text | None = Field(None, description="the person's name, as X-Assigned-Name shows it; default: the key")
    mailbox: MailAddress = Field(description="where this member's copies go")
    addresses: tuple[MailAddress, ...] = Field((), description="other addresses this person writes from")
    away: Absences = Field((), description="days of absence in UTC, such as 2026-12-20..2027-01-02")
    deputy: Text | None = Field(None, description="the member who takes over while this one is away")
    calendar: Text | None = Field(
        None,
        description="calendar by which respond_within counts for this member, where no team was assigned, and in whose "
        "hours a team's `pick` prefers him",
    )
    handover: Literal["new", "all"] = Field(
        "new",
        description="what the deputy gets while this member is away: new, each conversation when its customer writes, "
        "or all that are open or snoozed, at once",
    )
    show: Show = Field(Show(), description="how copies look to a client that cannot sort by a header")


class Team(Model):
    members: tuple[Text, ...] = Field(min_length=1, description="members, in the order in which they are picked")
    pick: Pick = Field(
        Pick.ROUND_ROBIN,
        description="round_robin, first, random, least_loaded (fewest messages assigned in the last 24 h), or last "
        "(who last had this customer, else round_robin)",
    )
    fallback: Text | None = Field(None, description="member or team that takes over when nobody of this one is there")
    calendar: Text | None = Field(None, description="calendar by which respond_within counts for this team")
    lead: Text | None = Field(
        None, description="member whose daily summary (`digest`) says how this team stands, too; absent: nobody's"
    )


class Escalation(Model):
    after: Duration = Field(
        timedelta(0), description="so long behind what was promised, in the same hours as that; a later step, later"
    )
    watch: Text | None = Field(None, description="member or team who hears of it and gets all that comes from then on")
    assign: Text | None = Field(None, description="member or team who owns it from then on")


class Inbox(Model):
    default: Text = Field(description="member or team that owns what no rule assigns")
    copies: Literal["owner", "team"] = Field(
        "owner", description="who gets a copy: the owner, or everyone of the team it was assigned to"
    )
    aliases: tuple[MailAddress, ...] = Field((), description="further addresses of this inbox")
    dmarc: DmarcPolicy = Field(
        DmarcPolicy.REPORT,
        description="mail that fails DMARC: report (label dmarc-fail), hold (where the domain asks for quarantine or "
        "reject), or reject (refuse it where the domain asks for reject, hold it for quarantine)",
    )
    escalate: tuple[Escalation, ...] = Field(
        (), description="what is done, step by step, where an answer that a rule promised is overdue"
    )
    close_after: Duration | None = Field(
        None, description="so long behind an answer, without a word of the customer, a conversation is closed"
    )
    replies: Literal["through", "observe"] | None = Field(
        None,
        description="through: members answer customers by way of routerd, to whom Reply-To of their copies leads; "
        "observe: they answer past it. Absent: through where the mailbox's route has `trusts_us`",
    )
    from_via: Bool = Field(
        False,
        description="with `replies: through`, for mailboxes whose server does not trust us: From of copies names the "
        "inbox, and is signed by a key of `dkim`; the original stands in X-Original-From",
    )

    from_: SenderName | None = Field(
        None,
        alias="from",
        description="the name in From of what goes out to customers, as in '{member} at Support', where {member} is "
        "the name of who answers; absent: the inbox's own",
    )
    takes: Bool = Field(True, description="a member who answers in a conversation of another's owns it from then on")

    def takes_answers(self, *, trusts_us: bool) -> bool:
        """Whether a member, whose mailbox's server trusts us or not, answers customers by way of us."""
        return trusts_us if self.replies is None else self.replies == "through"


class Addresses(Model):
    style: Literal["plus", "domain"] = Field(
        "plus", description="how routerd's own addresses look: support+b.TOKEN@example.com, or the same at `domain`"
    )
    delimiter: Literal["+", "-", "=", "_", "."] = Field("+", description="what divides an inbox's name from a detail")
    domain: Domain | None = Field(None, description="domain of routerd's own addresses with style: domain")


class SmtpAuth(Model):
    user: Text = Field(description="user name at the next hop")
    password_file: FilePath = Field(description="file whose first line is the password")


class Route(Model):
    domain: RouteDomain = Field(description="domain of the mailboxes it is for; * is any")
    smtp: NextHops | None = Field(None, description="next hop HOST:PORT, or a list tried in order")
    lmtp: LmtpServer | None = Field(None, description="LMTP server: unix:/path or HOST:PORT")
    maildir: MaildirTemplate | None = Field(
        None,
        description="Maildir path; {local}, {domain} and {mailbox} are filled in; "
        "a Maildir++ quota there (`maildirsize`) is kept to",
    )
    mx: Bool = Field(False, description="deliver to the hosts that DNS names for the mailbox's domain, on port 25")
    tls: TlsPolicy = Field(TlsPolicy.MAY, description="none, may, or required (certificate checked)")
    auth: SmtpAuth | None = Field(None, description="AUTH at the next hop; only inside TLS")
    trusts_us: Bool = Field(False, description="the mailbox's server accepts what we change")

    def maildir_of(self, mailbox: Address) -> Path:
        """The Maildir of one mailbox. Only for a route with `maildir`."""
        values = {"local": mailbox.local, "domain": mailbox.domain, "mailbox": str(mailbox)}
        return Path(PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), self.maildir or ""))

    @property
    def transport(self) -> Literal["smtp", "lmtp", "maildir", "mx"]:
        return "smtp" if self.smtp else "lmtp" if self.lmtp else "mx" if self.mx else "maildir"


class Retry(Model):
    first: Duration = Field(timedelta(minutes=5), ge=timedelta(seconds=1), description="wait before the second attempt")
    factor: Factor = Field(2.0, ge=1, le=10, description="each further wait is so much longer")
    max: Duration = Field(timedelta(hours=4), description="longest wait")
    give_up: Duration = Field(timedelta(days=5), description="after this long a copy is held")
    warn: Duration = Field(
        timedelta(hours=4), description="after this long the postmaster is told of a copy that waits"
    )
    reroute_after: Duration = Field(
        timedelta(hours=4), description="after this long a copy whose mailbox still defers goes to the next in line"
    )


class Retain(Model):
    events: Duration = Field(
        timedelta(days=730), description="how long a message's history is kept after its last delivery"
    )
    bodies: Duration = Field(timedelta(0), description="how long its bytes are kept after its conversation was closed")


class Reports(Model):
    per_member: Bool = Field(
        True,
        description="figures name persons; false leaves them out of reports and metrics, where the law asks for it",
    )


class RuleLimit(Model):
    files: Text = Field(description="glob of rule file names; the first entry that fits applies")
    inboxes: tuple[MailAddress, ...] | None = Field(None, description="inboxes whose mail these files see; absent: all")
    labels: tuple[Text, ...] | None = Field(
        None, description="labels they may give, as globs in which * does not cross /; absent: all"
    )
    assign: tuple[Text, ...] | None = Field(
        None, description="members and teams they may assign or have watch; absent: all"
    )
    actions: tuple[RuleAction, ...] = Field(
        (),
        description="what they may do beyond assign, label, priority, watch and stop: header hold reassign reply "
        "approve reject forward stop-all, or all",
    )


class Settings(Model):
    hostname: Domain = Field(description="name in the greeting, Received and Message-ID; default: the machine's FQDN")
    state: FilePath = Field(Path("/var/lib/routerd"), description="folder of the store, mode 0700")
    rules: FilePath = Field(
        Path("rules.d"), validate_default=True, description="folder of the rule files, relative to this file"
    )
    workers: Workers = Field(
        1,
        description="processes that take mail in, 1 to 64. 1: one process does all. 2 or more: so many, beside the "
        "main process, which writes and delivers, and one that forks them. auto: one core for each of them and the "
        "main process; on one core, 1. Changes at a restart",
    )
    listen: tuple[Listener, ...] = Field(
        (Listener(address=HostPort(host="127.0.0.1", port=2525)),),
        min_length=1,
        description="where mail comes in. Another listener waits for a restart; a reload logs `restart_needed`",
    )
    tls: TlsFiles | None = Field(None, description="certificate for STARTTLS; absent: not offered")
    passwords: FilePath | None = Field(
        None, description="file of the members' passwords, mode 0600, as `routerd password` writes it"
    )
    trusted_networks: tuple[Network, ...] = Field((), description="hops that may hand mail over; never an identity")
    authserv_ids: tuple[Text, ...] = Field(
        (), description="Authentication-Results of these, from a trusted hop, are believed"
    )
    arc_sealers: tuple[Domain, ...] = Field(
        (),
        description="forwarders, such as mailing lists, that are believed where their ARC seal says that DMARC passed "
        "before them; it never makes anybody a member",
    )
    proxies: tuple[Network, ...] = Field(
        (), description="load balancers: what comes from them begins with the PROXY protocol, v1 or v2"
    )
    dnsbl: tuple[DnsListOrZone, ...] = Field(
        (), description="DNS lists that strangers' addresses are looked up in: each a zone alone, or with more to say"
    )
    dns: Dns = Field(Dns(), description="how DNS is asked")
    limits: Limits = Field(Limits(), description="bounds on what comes in")
    http: Http = Field(Http(), description="metrics and health")
    postmaster: Text = Field(
        description="member or team who hears of trouble, the last in line, and gets postmaster@ and abuse@"
    )
    members: dict[Name, Member] = Field(min_length=1, description="persons with a mailbox of their own")
    teams: dict[Name, Team] = Field({}, description="named sets of members")
    calendars: dict[Name, Calendar] = Field({}, description="named working hours")
    inboxes: dict[InboxKey, Inbox] = Field(min_length=1, description="shared addresses that routerd accepts mail for")
    digest: TimeOfDay | None = Field(
        None,
        description="when each member gets a summary of what is open, waiting and overdue, on the working days and in "
        "the time of his calendar, else of his team's, else in UTC; absent: never",
    )
    addresses: Addresses = Field(Addresses(), description="how routerd's own addresses look")
    delivery: tuple[Route, ...] = Field(
        min_length=1, description="routes; the first whose domain fits the mailbox is taken"
    )
    retry: Retry = Field(Retry(), description="when a waiting copy is tried again")
    dkim: tuple[DkimKey, ...] = Field(
        (), description="keys that sign what routerd writes itself; each key of a domain adds a signature"
    )
    arc_seal: Domain | None = Field(
        None,
        description="domain under `dkim` whose key adds to the ARC chain of copies that leave for servers that do not "
        "trust us, saying what was found of the message; absent: none does",
    )
    return_path: Literal["inbox", "keep", "srs"] = Field(
        "inbox",
        description="envelope sender of copies: inbox (our own, by which bounces come back), keep (the stranger's) or "
        "srs (the stranger's, wrapped into one of ours); what rules forward always bears our own",
    )
    bounce_window: Duration = Field(
        timedelta(days=7), description="how long bytes are kept after the last delivery, for a late bounce"
    )
    retain: Retain = Field(Retain(), description="how long history is kept")
    reports: Reports = Field(Reports(), description="what figures of the desk show")
    templates: TemplateFolder | None = Field(
        None,
        description="folder of the templates of automatic replies, relative to this file: NAME.txt, and NAME.pl.txt "
        "for customers who write Polish; read at start and at a reload",
    )
    limits_of_rules: tuple[RuleLimit, ...] | None = Field(
        None, description="what rule files may do; where it stands, a file that fits no entry is an error"
    )

    @property
    def own_addresses(self) -> frozenset[str]:
        """All inboxes and their aliases, as keys (lower case)."""
        aliases = (alias.key for inbox in self.inboxes.values() for alias in inbox.aliases)
        return frozenset((*self.inboxes, *aliases))

    def listener(self, name: str) -> Listener | None:
        """The one that metrics and logs call so."""
        return next((listener for listener in self.listen if listener.name == name), None)

    def route_for(self, mailbox: Address) -> Route | None:
        """The first route whose domain fits."""
        return next((route for route in self.delivery if route.domain in ("*", mailbox.domain)), None)
