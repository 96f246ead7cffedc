"""`auth:` and `dnsbl:` nodes to conditions."""

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.rules.conditions.proofs import TEMPORARY, AuthCondition, DnsblCondition
from routerd.rules.conditions.truth import All, Condition
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.reader import Reader

# RFC 8601 2.7, RFC 7489 11.2, RFC 8617 10.2; what could not be told then (`temperror`) is no answer to ask for.
RESULTS = {
    "dmarc": ("pass", "fail", "none", "permerror"),
    "spf": ("pass", "fail", "softfail", "neutral", "policy", "none", "permerror"),
    "dkim": ("pass", "fail", "neutral", "policy", "none", "permerror"),
    "arc": ("pass", "fail", "none"),
    "auth": ("pass", "fail", "none", "permerror"),
    "iprev": ("pass", "fail", "permerror"),
}


def read_auth(reader: Reader, node: Node) -> Condition | None:
    if not isinstance(node, Mapping):
        reader.refuse(node.mark, "auth takes methods and their results: {dmarc: pass, spf: [pass, none]}")
        return None
    mapping = reader.mapping(node, "auth")
    parts: list[Condition] = []
    for key, value in reader.known_entries(mapping, RESULTS, "under auth") if mapping else ():
        results = [_asked_for(reader, key.text, scalar) for scalar in reader.texts(value, f"auth: {key.text}")]
        known = tuple(result for result in results if result)
        if known:
            parts.append(AuthCondition(key.text, known))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _asked_for(reader: Reader, method: str, scalar: Scalar) -> str | None:
    if scalar.text == TEMPORARY:
        reader.refuse(
            scalar.mark, f"{TEMPORARY} means that it could not be told then, so the rule does not match; remove it"
        )
        return None
    return reader.chosen(scalar, RESULTS[method], f"result of {method}")


def read_given_results(reader: Reader, node: Node) -> dict[str, str]:
    """What a test says of the sender: one result for each method, `temperror` included."""
    mapping = reader.mapping(node, "auth")
    results = {}
    for key, value in reader.known_entries(mapping, RESULTS, "under auth") if mapping else ():
        scalar = reader.text(value, f"auth: {key.text}")
        result = scalar and reader.chosen(scalar, (*RESULTS[key.text], TEMPORARY), f"result of {key.text}")
        if result:
            results[key.text] = result
    return results


def read_dnsbl(reader: Reader, names: Names, node: Node) -> Condition | None:
    lists = read_listed(reader, names, node)
    return DnsblCondition(lists) if lists else None


def read_listed(reader: Reader, names: Names, node: Node) -> tuple[str, ...]:
    """DNS lists of the settings, by their zones."""
    lists = []
    for scalar in reader.texts(node, "dnsbl"):
        zone = scalar.text.strip().lower()
        if zone in names.dnsbl:
            lists.append(zone)
        else:
            meant = suggestion(scalar.text, names.dnsbl) if names.dnsbl else "; it has none"
            reader.refuse(scalar.mark, f"no list {quoted(scalar.text)} under dnsbl in routerd.yaml{meant}")
    return tuple(lists)
