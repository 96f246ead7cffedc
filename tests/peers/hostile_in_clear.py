"""Clients that mean harm, without TLS: each brings one connection into the state that costs most, and stays there."""

import asyncio
import random
import socket

from peers.hostile_client import (
    HELLO,
    MAIL,
    MIB,
    RCPT,
    START,
    Connection,
    drip,
    send_for_ever,
    send_without_reading,
)


async def half_a_command(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(HELLO + b"MAIL FROM:<a")
    await connection.stay()


async def dripped_commands(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await drip(connection, HELLO + b"NOOP drip\r\n" * 1000)


async def dripped_content(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await drip(connection, b"Subject: drip\r\n\r\n" + b"drip\r\n" * 10_000)


async def content_then_silence(connection: Connection) -> None:
    """As much as a message may have in memory, and no end of it."""
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await connection.send((b"x" * 76 + b"\r\n") * (MIB // 78))
    await connection.stay()


async def large_content_then_silence(connection: Connection) -> None:
    """More than a message may have in memory."""
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await connection.send((b"x" * 76 + b"\r\n") * (3 * MIB // 78))
    await connection.stay()


async def small_pieces_then_silence(connection: Connection) -> None:
    """Content in many small segments: each is an object of its own in a careless server."""
    await connection.open(connection.front.smtp)
    connection.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await connection.send(START)
    await connection.read_until(b"354 ")
    for _ in range(1_000):
        await connection.send(b"xxxxx\r\n")
        await asyncio.sleep(0)
    await connection.stay()


async def endless_line(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await send_for_ever(connection, b"x" * 65_536, most=3 * MIB)


async def endless_command(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await send_for_ever(connection, b"x" * 65_536, most=8 * MIB)


async def endless_header(connection: Connection) -> None:
    await connection.open(connection.front.smtp)
    await connection.send(START)
    await connection.read_until(b"354 ")
    await send_for_ever(connection, b"".join(b"X-%d: y\r\n" % number for number in range(6000)), most=3 * MIB)


async def flood_of_noops(connection: Connection) -> None:
    await _flood(connection, HELLO + b"NOOP\r\n" * 20_000)


async def flood_of_resets(connection: Connection) -> None:
    await _flood(connection, HELLO + (MAIL + b"RSET\r\n") * 20_000)


async def flood_of_recipients(connection: Connection) -> None:
    await _flood(connection, HELLO + MAIL + RCPT * 20_000)


async def flood_of_unknown_recipients(connection: Connection) -> None:
    await _flood(connection, HELLO + MAIL + b"RCPT TO:<nobody@example.com>\r\n" * 20_000)


async def recipients_then_silence(connection: Connection) -> None:
    """As many as are allowed, each as long as it may be."""
    await connection.open(connection.front.smtp)
    detail = "x" * 40
    lines = [f"RCPT TO:<support+{number:04}{detail}@example.com>\r\n".encode() for number in range(1000)]
    reading = asyncio.ensure_future(connection.swallow())
    try:
        await connection.send(HELLO + MAIL + b"".join(lines))
        await connection.stay()
    finally:
        reading.cancel()


async def _flood(connection: Connection, data: bytes) -> None:
    """All at once, and what is said is read."""
    await connection.open(connection.front.smtp)
    reading = asyncio.ensure_future(connection.swallow())
    connection.stands.set()
    try:
        await connection.send(data)
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def never_reading(connection: Connection) -> None:
    await connection.open(connection.front.smtp, buffer_bytes=4096)
    await send_without_reading(connection, HELLO * 50_000)


async def connect_and_close(connection: Connection) -> None:
    for _ in range(20):
        await connection.open(connection.front.smtp)
        if random.random() < 0.5:  # a reset instead of an end
            connection.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


async def half_closed(connection: Connection) -> None:
    """Ends its half in mid-command and in mid-content, and keeps the other."""
    await connection.open(connection.front.smtp)
    await connection.send(START + b"Subject: half" if random.random() < 0.5 else HELLO + b"MAIL")
    connection.raw.shutdown(socket.SHUT_WR)
    await connection.stay()


async def dripped_proxy(connection: Connection) -> None:
    await connection.open(connection.front.smtp, source=connection.front.proxy_address)
    await drip(connection, b"PROXY TCP4 192.0.2.1 192.0.2.2 65535 25\r\n" * 100)


async def endless_proxy(connection: Connection) -> None:
    await connection.open(connection.front.smtp, source=connection.front.proxy_address)
    await send_for_ever(connection, b"PROXY TCP4 " + b"1" * 60_000, most=8 * MIB)
