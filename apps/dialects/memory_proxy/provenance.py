"""What an imported version remembers of the original, as the message of its change set. Pure.

A later run knows by it what is already here, so old messages must stay readable.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_KEY = 800
"""Characters of an object's key; a message has at most 1,000."""
_TEXT = re.compile(
    r"Silica version (?P<version>\d+) of (?P<moment>\S+)(?:, md5 (?P<md5>[0-9a-f]{32}))?"
    r"(?:, object version (?P<object_version>\S+))?, s3://(?P<place>.*)",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """One state of one path at the original.

    `version` is 0 where it had none, `md5` empty for the bucket's own delete marker. `object_version` is the bucket's,
    None where it keeps no versions.
    """

    version: int
    changed_at: datetime
    md5: str
    is_deleted: bool
    object_version: str | None = None

    def is_same(self, other: "Provenance") -> bool:
        """Whether both are one state. Only the original's version tells states with equal bytes apart for sure."""
        if (self.version, self.md5, self.is_deleted) != (other.version, other.md5, other.is_deleted):
            return False
        return self.version > 0 or (self.changed_at == other.changed_at and self._may_be_object(other.object_version))

    def is_object(self, *, changed_at: datetime, md5: str, object_version: str | None) -> bool:
        """Whether this was read from an object of which only this much is known. Never of a deletion."""
        is_alike = (self.changed_at, self.md5) == (changed_at, md5) and not self.is_deleted
        return is_alike and self._may_be_object(object_version)

    def _may_be_object(self, object_version: str | None) -> bool:
        return self.object_version == object_version or None in (self.object_version, object_version)

    def message(self, bucket: str, key: str) -> str:
        """For people, and for `from_message`."""
        moment = self.changed_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        md5 = f", md5 {self.md5}" if self.md5 else ""
        object_version = f", object version {self.object_version}" if self.object_version else ""
        return f"Silica version {self.version} of {moment}{md5}{object_version}, s3://{bucket}/{key[:LONGEST_KEY]}"

    @classmethod
    def from_message(cls, message: str, *, is_deleted: bool) -> "Provenance | None":
        """None for the message of any other change."""
        match = _TEXT.fullmatch(message)
        if match is None:
            return None
        try:
            moment = datetime.fromisoformat(match["moment"])
        except ValueError:
            return None
        return cls(int(match["version"]), moment, match["md5"] or "", is_deleted, match["object_version"])
