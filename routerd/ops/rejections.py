"""The words under which refusals are counted (`routerd_rejections_total{reason}`), and what each means."""

OTHER = "other"

REASONS = {
    # Connections
    "connections": "a connection over `limits.connections` or `connections_per_client`",
    "pressure": "a connection turned away because memory or the store were at their limit",
    "proxy_protocol": "a connection from `proxies` without a good PROXY header",
    "tls_handshake": "a TLS handshake that failed or took too long",
    "early_talker": "a client that spoke before its greeting (`greet_delay`)",
    "timeout": "a client that was idle, too slow or stayed too long",
    "unread": "a client that did not read our replies",
    "web": "a web browser or its like",
    # Commands
    "syntax": "a command that is none, or not so",
    "sequence": "a command out of its order",
    "not_offered": "a command that this listener does not offer",
    "tls_required": "a command that needs TLS first",
    "login_required": "mail from who has not logged in",
    "login": "a login that was refused",
    "too_many_logins": "a session with too many failed logins",
    "too_many_commands": "a session over `limits.commands`",
    "too_many_errors": "a session over `limits.errors`",
    "too_many_messages": "a session over `limits.messages_per_connection`",
    "idle_commands": "a session of commands that bring no mail nearer",
    # Clients and recipients
    "dns_list": "a client on a DNS list with `reject: true`",
    "reverse_name": "a client without a confirmed name, where `reverse_name: require`",
    "relaying": "a recipient elsewhere: routerd is no relay",
    "unknown_recipient": "a recipient that no inbox has",
    "too_many_recipients": "a recipient over `limits.recipients`",
    "forged_token": "an address with a token that we never gave out",
    "expired_token": "an address with a token that is too old",
    "return_path_flood": "too many messages for one return path, or bounces for one sender",
    "desk_address_flood": "too many messages for one address of the desk, such as support+n.TOKEN@",
    "no_bounce": "a message from somebody to an address that takes bounces back (`return_path: srs`)",
    # Messages
    "too_big": "a message over `limits.message_size`",
    "bare_newline": "a bare CR or LF in a message or a command",
    "nul": "a NUL in a message",
    "header_too_big": "a header over `limits.header_size`",
    "too_many_fields": "a header over `limits.header_fields`",
    "line_too_long": "a line over `limits.line_size`",
    "mime_depth": "MIME parts nested deeper than `limits.mime_depth`",
    "loop": "a message that has been here before",
    "not_a_member": "a note or a draft from who is not proven to be a member, or an answer in a member's name",
    "no_conversation": "a note or a draft of a member that belongs to no conversation",
    "rule": "a message that a rule rejects",
    "dmarc": "a message that fails DMARC, at an inbox with `dmarc: reject`",
    "no_memory": "a message for which `limits.memory` has no room now",
    "no_space": "a message for which the disk has no room now",
    "store_slow": "a message that the store is too slow for now",
    "store_failed": "a message that the store could not take",
    "accept_failed": "a message whose handling failed; the log says why",
    OTHER: "anything else",
}


def bounded(reason: str) -> str:
    """`reason`, or OTHER where it is none of these."""
    return reason if reason in REASONS else OTHER
