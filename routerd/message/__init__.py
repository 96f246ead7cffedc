"""Bytes and values of one message. Pure: no clock, DNS, disk, randomness, logging or metrics."""
