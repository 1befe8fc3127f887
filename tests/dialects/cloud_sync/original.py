"""The original's backups, re-built from its contract: what an import finds in a folder or in a bucket."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import Bucket

FIRST = datetime(2026, 2, 14, 12, 0, 0, tzinfo=UTC)
CONFIG = {"model": "all-MiniLM-L6-v2", "dimension": 384, "collection": "memories"}


@dataclass
class Original:
    """One instance of it, whose clock moves an hour with each backup."""

    directory: Path
    memories: list[dict[str, Any] | None] = field(default_factory=list)
    _clock: datetime = FIRST

    def add(self, text: str, source: str = "notes", **metadata: Any) -> int:
        """Its id."""
        identity = len(self.memories)
        moment = self._clock.isoformat()
        self.memories.append(
            {"id": identity, "text": text, "source": source, "created_at": moment, "updated_at": moment, **metadata}
        )
        return identity

    def change(self, identity: int, text: str) -> None:
        memory = self.memories[identity]
        assert memory is not None
        self.memories[identity] = {**memory, "text": text}

    def delete(self, identity: int) -> None:
        self.memories[identity] = None

    def backup(self, prefix: str = "manual") -> str:
        """The name of the folder that it made."""
        name = f"{prefix}_{self._clock:%Y%m%d_%H%M%S}"
        self._clock += timedelta(hours=1)
        self.write(name, json.dumps(self.memories, indent=2).encode(), json.dumps(CONFIG).encode())
        return name

    def write(self, name: str, metadata: bytes | None, config: bytes | None = None) -> None:
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in (("metadata.json", metadata), ("config.json", config)):
            if data is not None:
                (folder / file).write_bytes(data)

    def upload(self, bucket: Bucket, prefix: str = "memories/") -> None:
        """All of its backups, as its cloud sync leaves them."""
        client = bucket.client()
        for file in sorted(self.directory.rglob("*")):
            if file.is_file():
                key = f"{prefix}{file.relative_to(self.directory)}"
                client.put_object(Bucket=bucket.name, Key=key, Body=file.read_bytes())
