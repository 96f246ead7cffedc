"""Every kind of client that means harm, by its name."""

from peers.hostile_client import Kind
from peers.hostile_in_clear import (
    connect_and_close,
    content_then_silence,
    dripped_commands,
    dripped_content,
    dripped_proxy,
    endless_command,
    endless_header,
    endless_line,
    endless_proxy,
    flood_of_noops,
    flood_of_recipients,
    flood_of_resets,
    flood_of_unknown_recipients,
    half_a_command,
    half_closed,
    large_content_then_silence,
    never_reading,
    recipients_then_silence,
    small_pieces_then_silence,
)
from peers.hostile_in_tls import (
    content_in_tls_then_silence,
    flood_of_logins,
    garbage_for_handshake,
    garbage_in_tls,
    half_a_login,
    half_a_record,
    handshake_dripped,
    handshake_left,
    idle_in_tls,
    implicit_handshake_left,
    implicit_silence,
    injected_before_tls,
    never_reading_in_tls,
)

KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        half_a_command, dripped_commands, dripped_content, content_then_silence, large_content_then_silence,
        small_pieces_then_silence, endless_line, endless_command, endless_header, flood_of_noops, flood_of_resets,
        flood_of_recipients, flood_of_unknown_recipients, recipients_then_silence, never_reading, connect_and_close,
        half_closed, dripped_proxy, endless_proxy, handshake_left, handshake_dripped, implicit_handshake_left,
        implicit_silence, idle_in_tls, garbage_for_handshake, garbage_in_tls, half_a_record,
        content_in_tls_then_silence, never_reading_in_tls, injected_before_tls, flood_of_logins, half_a_login,
    )
}  # fmt: skip
