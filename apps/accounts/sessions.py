"""Console sessions in the database, under a digest of their key: a dump of the database opens no console."""

import hashlib
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone


class SessionStore(DatabaseStore):
    """The store of `SESSION_ENGINE`. The key itself is known to the browser's cookie only."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        found: AbstractBaseSession | None = self.model.objects.filter(
            session_key=_digest(self.session_key or ""), expire_date__gt=timezone.now()
        ).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return super().exists(_digest(session_key))

    def create_model_instance(self, data: Any) -> AbstractBaseSession:
        instance = super().create_model_instance(data)
        instance.session_key = _digest(instance.session_key)
        return instance

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            super().delete(_digest(key))


def _digest(session_key: str) -> str:
    """40 characters, as many as the table's key has."""
    return hashlib.blake2b(session_key.encode(), digest_size=20).hexdigest()
