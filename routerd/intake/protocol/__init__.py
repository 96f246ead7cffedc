"""A server session without I/O: bytes in, replies and events out. Pure."""
