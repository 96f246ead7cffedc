"""The same number of rules for each system, of which the last alone matches what the benchmarks send.

routerd looks into subject, text, new text and sender; the Sieve script into the subject only, which is the cheapest.
"""

LABEL = "measured"


def routerd_rules(count: int) -> str:
    """One file's YAML."""
    lines = ["rules:"]
    for number in range(1, count):
        field, operator, value = (
            ("text", "contains", f"keyword{number:05}"),
            ("subject", "word", f"subject{number:05}"),
            ("body", "regex", f"order[- ]{number:05}[a-z]*"),
            ("from", None, f"customer{number:05}.example"),
        )[number % 4]
        condition = value if operator is None else f"{{{operator}: '{value}'}}"
        action = f"{{label: label-{number}, assign: finance}}"
        lines.append(f"  - {{name: rule-{number}, when: {{{field}: {condition}}}, then: {action}}}")
    lines.append(f"  - {{name: all-of-it, when: {{subject: smtp-source}}, then: {{label: {LABEL}, assign: sales}}}}")
    return "\n".join(lines) + "\n"


def sieve_rules(count: int) -> str:
    """One script."""
    words = [f"keyword{number:05}" for number in range(1, count)]
    rules = [_sieve_rule(word, f"label-{number}") for number, word in enumerate(words, 1)]
    return 'require ["editheader"];\n' + "".join([*rules, _sieve_rule("smtp-source", LABEL)])


def _sieve_rule(word: str, label: str) -> str:
    return (
        f'if header :contains "Subject" "{word}" {{ addheader "X-Assigned-To" "omar@mail.example.com"; '
        f'addheader "X-Labels" "{label}"; keep; stop; }}\n'
    )
