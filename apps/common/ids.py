"""Identifiers: time-ordered UUIDs and base62 text."""

import os
import secrets
import time
from uuid import UUID

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def uuid7() -> UUID:
    """A new UUID version 7: milliseconds of Unix time, then 74 random bits. Source: RFC 9562 5.7."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | (random >> 64 & 0xFFF) << 64
    value |= 0b10 << 62 | random & (2**62 - 1)
    return UUID(int=value)


def random_base62(length: int) -> str:
    """`length` characters of base62 from the operating system's random source."""
    return "".join(secrets.choice(BASE62) for _ in range(length))


def to_base62(number: int, *, length: int) -> str:
    """`number` in base62, padded with zeros on the left to exactly `length` characters."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    if number:
        raise ValueError("the number does not fit the length")
    return "".join(reversed(digits))
