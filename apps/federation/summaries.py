"""A summary as it is sent, and as it is kept. Pure."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.common.errors import Invalid, shown

MOST_BYTES = 16 * 1024 * 1024
"""Of a body that holds a summary."""
LONGEST_NAME = 200
LONGEST_TOPIC = LONGEST_LABEL = 500
MOST_TOPICS = 10_000
MOST_LABELS = 100_000
MOST_METADATA_BYTES = 64 * 1024
LEAST_COUNT, GREATEST_COUNT = -(2**63), 2**63 - 1
LABEL_KEY_BYTES = 32
CLOCKS_AHEAD = timedelta(minutes=5)
"""So far may an agent's clock run ahead of the hub's: a later time counts as this. The merge functions say it too."""
HASHED_DIGITS, HEX_DIGITS = 64, b"0123456789abcdef"


NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""The character U+0000 in JSON text; a backslash before it would make it six characters."""


class BadTime(Exception):
    """The time of a summary is not one in ISO 8601."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What an agent says it knows about. `topics` are sorted; `labels` sorted, and each there once."""

    agent_name: str
    client_text: str
    client_at: datetime
    topics: Mapping[str, int]
    labels: Sequence[str]
    metadata: Mapping[str, Any] | None
    digest: bytes
    """SHA-256 of all of it in one spelling: equal for a retry, whatever the order of its keys."""

    @classmethod
    def of(
        cls,
        agent_name: str,
        client_text: str,
        *,
        topics: Mapping[str, int],
        labels: Sequence[str],
        metadata: Mapping[str, Any] | None = None,
    ) -> "Summary":
        """Raises `BadTime`, and Invalid, which names what is over a limit."""
        _check(agent_name, client_text, topics, labels, metadata)
        client_at = instant_of(client_text)
        each_once = sorted(set(labels))
        plain = json.dumps(
            [agent_name, client_text, topics, each_once, metadata],
            ensure_ascii=False,
            separators=(",", ":"),
            sort_keys=True,
        )
        digest = hashlib.sha256(plain.encode()).digest()
        return cls(agent_name, client_text, client_at, dict(sorted(topics.items())), each_once, metadata, digest)

    @property
    def clear_labels(self) -> int:
        """How many labels tell what they are about: they are no 64 hex digits."""
        return sum(
            len(label) != HASHED_DIGITS or label.encode().translate(None, HEX_DIGITS) != b"" for label in self.labels
        )

    def with_hashed_labels(self, key: bytes) -> "Summary":
        """The same with the HMAC-SHA-256 of each label in its place, as hex digits: equal labels stay equal.

        So is the digest, by which guesses of the labels could be tried otherwise.
        """
        hashed = (hmac.digest(key, label.encode(), "sha256").hex() for label in self.labels)
        return replace(self, labels=sorted(hashed), digest=hmac.digest(key, self.digest, "sha256"))


def holds_nul(json_text: str) -> bool:
    """Whether JSON text stands for a text with the character U+0000, which no database takes."""
    return NUL.search(json_text) is not None


def instant_of(text: str) -> datetime:
    """The instant of a time in any form of ISO 8601 that Python reads; without an offset it is UTC's. Raises `BadTime`.

    Source: the stock coordinator, which turns `Z` into `+00:00` for the Pythons before 3.11.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadTime from error


def _check(
    agent_name: str,
    client_text: str,
    topics: Mapping[str, int],
    labels: Sequence[str],
    metadata: Mapping[str, Any] | None,
) -> None:
    _check_text("agent_id", agent_name, LONGEST_NAME)
    _check_text("timestamp", client_text, LONGEST_NAME)
    _check_many("topic_counts", len(topics), MOST_TOPICS)
    _check_many("fact_hashes", len(labels), MOST_LABELS)
    for topic, count in topics.items():
        _check_text("topic_counts", topic, LONGEST_TOPIC)
        if not LEAST_COUNT <= count <= GREATEST_COUNT:
            raise Invalid.of(
                f"topic_counts.{shown(topic)}", "out_of_range", "A count is a whole number of at most 64 bits."
            )
    # All at once: one by one only to name the one that is wrong.
    if max(map(len, labels), default=0) > LONGEST_LABEL or "\x00" in "".join(labels):
        for place, label in enumerate(labels):
            _check_text(f"fact_hashes.{place}", label, LONGEST_LABEL)
    text = json.dumps(metadata) if metadata else ""
    _check_nul("metadata", "\x00" if holds_nul(text) else "")
    if len(text) > MOST_METADATA_BYTES:
        raise Invalid.of("metadata", "too_long", f"It has at most {MOST_METADATA_BYTES} bytes.")


def _check_text(field: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise Invalid.of(field, "too_long", f"A text here has at most {longest} characters: {shown(text)}")
    _check_nul(field, text)


def _check_nul(field: str, text: str) -> None:
    if "\x00" in text:
        raise Invalid.of(field, "null_character", "A text cannot hold the character U+0000.")


def _check_many(field: str, count: int, most: int) -> None:
    if count > most:
        raise Invalid.of(field, "too_many", f"There are at most {most:,} of them, not {count:,}.")
