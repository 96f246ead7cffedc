"""What DNS says of our keys, of our names, of who may send for us, and of where mail for us goes."""

from collections.abc import AsyncIterator, Sequence

from routerd.auth.dns_answers import Absent, LookUp, RecordKind, Records, Trouble
from routerd.auth.key_publication import amiss, record_of
from routerd.auth.signers import Signers
from routerd.auth.spf import SpfIdentity, check_spf
from routerd.cli.live.ourselves import IpAddress, addresses_of
from routerd.cli.live.told import State, Told
from routerd.config.settings import Route, Settings
from routerd.message.address import parse_address
from routerd.message.token import return_path_domain


async def look_at_keys(signers: Signers, look_up: LookUp) -> AsyncIterator[Told]:
    for signer in signers.all:
        answer = await look_up(signer.record_name, RecordKind.TXT)
        wrong = amiss(signer.record_name, answer, signer.key.public)
        if wrong is None:
            yield Told("dkim", State.OK, f"DNS has the key {signer.record_name}")
        elif isinstance(answer, Trouble):
            yield Told("dkim", State.UNKNOWN, f"{signer.record_name}: {wrong}")
        else:
            yield Told("dkim", State.WRONG, f"{wrong}; it should have: {record_of(signer.key.public)}")


async def look_at_names(settings: Settings, ours: Sequence[IpAddress], look_up: LookUp) -> AsyncIterator[Told]:
    """Whether the name of each address leads back to it: many servers take no mail from others."""
    match await addresses_of(settings.hostname, look_up):
        case Trouble(reason):
            yield Told("name", State.UNKNOWN, f"the address of 'hostname' ({settings.hostname}): {reason}")
        case ():
            yield Told("name", State.WRONG, f"'hostname' ({settings.hostname}) has no address in DNS")
    for address in ours:
        answer = await look_up(address.reverse_pointer, RecordKind.PTR)
        match answer:
            case Trouble(reason):
                yield Told("name", State.UNKNOWN, f"the name of {address}: {reason}")
            case Absent():
                yield Told("name", State.WRONG, f"{address} has no name in DNS (PTR); it should be {settings.hostname}")
            case Records(names):
                yield await _name(settings.hostname, address, names, look_up)


async def _name(hostname: str, address: IpAddress, names: Sequence[str], look_up: LookUp) -> Told:
    trouble: Trouble | None = None
    for name in sorted(names[:10], key=lambda name: name != hostname):
        there = await addresses_of(name, look_up)
        if isinstance(there, Trouble):
            trouble = there
        elif address in there:
            besides = "" if name == hostname else f", which is not 'hostname' ({hostname}), but will do"
            return Told("name", State.OK, f"{address} is {name}, and {name} leads to {address}{besides}")
    if trouble is not None:
        return Told("name", State.UNKNOWN, f"whether {names[0]} leads to {address}: {trouble.reason}")
    return Told("name", State.WRONG, f"{address} is called {names[0]} in DNS (PTR), but that name does not lead to it")


async def look_at_senders(settings: Settings, ours: Sequence[IpAddress], look_up: LookUp) -> AsyncIterator[Told]:
    """Whether we may send for the domains that stand in MAIL FROM and EHLO (RFC 7208)."""
    direct = [route for route in settings.delivery if _leaves_from_here(route)]
    for route in settings.delivery:
        if route.auth is not None and route.smtp:
            text = f"what leaves by {route.smtp[0]} is sent from its addresses: its operator says what SPF has to have"
            yield Told("spf", State.UNKNOWN, text)
    if not direct:
        return
    if not ours:
        yield Told("spf", State.UNKNOWN, "by which address others see us is not known; say it by --address")
    inboxes = (parse_address(inbox) for inbox in settings.inboxes)
    domains = dict.fromkeys((settings.hostname, *(return_path_domain(box, settings.addresses) for box in inboxes)))
    for domain in domains:
        for address in ours:
            told = await _may_send(domain, address, settings.hostname, look_up)
            yield told if told.state is not State.WRONG or any(route.mx for route in direct) else _unless_sent_on(told)


def _unless_sent_on(told: Told) -> Told:
    """Where copies leave for servers that the config names: whether they are the last ones, it does not say."""
    return Told(told.kind, State.UNKNOWN, f"{told.text} (no matter, if the servers under 'delivery' send it on)")


def _leaves_from_here(route: Route) -> bool:
    return route.mx or (bool(route.smtp) and not route.trusts_us and route.auth is None)


async def _may_send(domain: str, address: IpAddress, hostname: str, look_up: LookUp) -> Told:
    results = await check_spf(str(address), hostname, f"postmaster@{domain}", look_up)
    [found] = [result for result in results if result.identity is SpfIdentity.MAIL_FROM]
    match found.result:
        case "pass":
            return Told("spf", State.OK, f"{domain} lets {address} send for it")
        case "none":
            family = "ip6" if address.version == 6 else "ip4"
            advice = f'publish a TXT record such as "v=spf1 mx {family}:{address} -all"'
            return Told("spf", State.WRONG, f"{domain} has no SPF record; {advice}")
        case "temperror":
            return Told("spf", State.UNKNOWN, f"SPF of {domain}: {found.reason}")
        case other:
            return Told("spf", State.WRONG, f"{domain} does not let {address} send for it: {other} ({found.reason})")


async def look_at_ways_in(settings: Settings, ours: Sequence[IpAddress], look_up: LookUp) -> AsyncIterator[Told]:
    """Where mail for the inboxes' domains goes."""
    boxes = (parse_address(address) for address in settings.own_addresses)
    domains = {box.domain for box in boxes} | ({settings.addresses.domain} if settings.addresses.domain else set())
    for domain in sorted(domain for domain in domains if domain):
        hosts = await mail_hosts(domain, look_up)
        if isinstance(hosts, str):
            yield Told("mx", State.UNKNOWN, f"the MX of {domain}: {hosts}")
        elif not hosts:
            yield Told(
                "mx", State.WRONG, f"{domain} takes no mail: DNS has neither MX nor address, or says so (RFC 7505)"
            )
        else:
            yield await _way_in(domain, hosts, settings.hostname, ours, look_up)


async def _way_in(domain: str, hosts: Sequence[str], hostname: str, ours: Sequence[IpAddress], look_up: LookUp) -> Told:
    foreign, lost = [], []
    for host in hosts:
        addresses = await addresses_of(host, look_up)
        if isinstance(addresses, Trouble):
            return Told("mx", State.UNKNOWN, f"mail for {domain} goes to {host}, whose address: {addresses.reason}")
        if not addresses:
            lost.append(host)
        elif host != hostname and not set(addresses) & set(ours):
            foreign.append(host)
    if lost:
        return Told("mx", State.WRONG, f"mail for {domain} goes to {', '.join(lost)}, which has no address in DNS")
    if not foreign:
        return Told("mx", State.OK, f"mail for {domain} comes to this machine")
    told = f"mail for {domain} goes to {', '.join(foreign)}, which must hand it to this machine"
    return Told("mx", State.OK, f"{told}; 'bounces' below says whether it does")


async def mail_hosts(domain: str, look_up: LookUp) -> list[str] | str:
    """The hosts that take mail for a domain, the preferred first (RFC 5321 5.1); in words why that cannot be told."""
    answer = await look_up(domain, RecordKind.MX)
    match answer:
        case Trouble(reason):
            return reason
        case Records(values):
            by_preference = sorted((int(value.partition(" ")[0]), value.partition(" ")[2]) for value in values)
            return [host for _, host in by_preference if host]
        case Absent():
            there = await addresses_of(domain, look_up)
            return there.reason if isinstance(there, Trouble) else [domain] if there else []
