"""What the config makes of one listener's terms, for strangers and for clients in `trusted_networks`."""

from routerd.config.settings import Listener, ListenProtocol, ListenTls, Settings
from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Protocol


def terms_of(settings: Settings, listener: Listener, *, has_tls: bool, trusted: bool) -> Terms:
    """`has_tls`: this listener has a certificate to show."""
    limits = settings.limits
    own = limits.trusted
    return Terms(
        hostname=settings.hostname,
        listener=listener.name,
        protocol=Protocol.LMTP if listener.protocol is ListenProtocol.LMTP else Protocol.SMTP,
        message_size=limits.message_size,
        recipients=(own.recipients if trusted else None) or limits.recipients,
        messages=own.messages_per_connection if trusted else limits.messages_per_connection,
        errors=(own.errors if trusted else None) or limits.errors,
        commands=own.commands if trusted else limits.commands,
        starttls=has_tls and listener.tls is not ListenTls.IMPLICIT,
        tls_required=listener.tls in (ListenTls.REQUIRED, ListenTls.IMPLICIT),
        auth=listener.auth == "required",
        refuse_early=bool(listener.greet_delay) and not trusted,
        smtputf8=listener.smtputf8,
        bare_newlines=listener.bare_newlines,
        header_size=limits.header_size,
        header_fields=limits.header_fields,
        line_size=limits.line_size,
    )
