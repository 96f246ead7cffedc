"""Whether the certificate of `tls:` is good for `hostname`: a handshake with ourselves, over no network."""

import ssl
from collections.abc import Iterator

from routerd.cli.live.told import State, Told
from routerd.config.settings import Settings, TlsFiles

_ENOUGH_TURNS = 10


def look_at_certificate(settings: Settings) -> Iterator[Told]:
    """As a client would check that connects to `hostname`."""
    if settings.tls is None:
        return
    name = settings.hostname
    try:
        wrong = _why_not_believed(settings.tls, name)
    except OSError as error:  # ssl.SSLError is one
        yield Told("certificate", State.UNKNOWN, f"that of 'tls' cannot be tried here: {error.strerror or error}")
        return
    if wrong is None:
        yield Told("certificate", State.OK, f"that of 'tls' is good, and fits {name}")
    else:
        yield Told(
            "certificate", State.WRONG, f"that of 'tls' is believed by no client of {name} that checks it: {wrong}"
        )


def _why_not_believed(files: TlsFiles, name: str) -> str | None:
    """In OpenSSL's words. Raises OSError where certificate and key cannot be used."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(files.certificate, files.key)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(there, back, server_side=True)
    client = ssl.create_default_context().wrap_bio(back, there, server_hostname=name)
    left = {client, server}
    for _ in range(_ENOUGH_TURNS):
        for one in (client, server):
            try:
                one.do_handshake()
                left.discard(one)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
        if not left:
            return None
    raise OSError("the handshake came to no end")
