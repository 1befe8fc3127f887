"""Secrets: kept encrypted, compared in constant time, shown masked."""

import hmac
import re
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MASK = "****"

# What may carry a secret inside a longer text: the hub's own tokens, signing secrets, an Authorization value,
# credentials in an address.
_SECRETS_IN_TEXT = [
    (re.compile(r"\b(mhp?_)[A-Za-z0-9_]{8,}"), rf"\1{MASK}"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=]{8,}"), rf"\1{MASK}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://)[^/\s@]{1,500}@", re.IGNORECASE), rf"\1{MASK}@"),
]


class SecretUnreadable(Exception):
    """A stored secret that none of the keys opens: a key was taken away too early, or the text was damaged."""


class SecretBox:
    """Encrypts text at rest. The first key encrypts, all decrypt, so a new key is put in front of the old ones.

    Safe to share between threads. Raises ValueError for no key, or one that is not 32 bytes of urlsafe base64;
    the message tells its place, never the key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one key is needed; make one with `SecretBox.new_key()`")
        boxes = []
        for place, key in enumerate(keys, start=1):
            try:
                boxes.append(Fernet(key.strip()))
            except ValueError:
                # Not chained: the library's text is of no more use, and a traceback must not show the key.
                raise ValueError(f"key {place} of {len(keys)} is not 32 bytes of urlsafe base64") from None
        self._first = boxes[0]
        self._all = MultiFernet(boxes)

    @staticmethod
    def new_key() -> str:
        """A fresh key, as the setting takes it."""
        return Fernet.generate_key().decode("ascii")

    def encrypt(self, text: str) -> str:
        """ASCII that only the keys open; another one each time."""
        return self._first.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """The text that `encrypt` was given. Raises SecretUnreadable."""
        return self._open(self._all, token)

    def is_current(self, token: str) -> bool:
        """Whether the first key opens it. When this holds for every stored secret, the older keys can go."""
        try:
            self._open(self._first, token)
        except SecretUnreadable:
            return False
        return True

    def rotated(self, token: str) -> str:
        """The same text encrypted with the first key; unchanged if it is already. Raises SecretUnreadable."""
        if self.is_current(token):
            return token
        return self.encrypt(self.decrypt(token))

    @staticmethod
    def _open(box: Fernet | MultiFernet, token: str) -> str:
        try:
            return box.decrypt(token.encode("ascii")).decode()
        except (InvalidToken, UnicodeError) as error:
            raise SecretUnreadable(
                "none of the keys in MEMORYHUB_SECRETS_KEY opens this secret: "
                "put back the key it was stored with, or enter the secret again"
            ) from error


def same(given: str, expected: str) -> bool:
    """Whether both texts are equal, in time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode(errors="surrogatepass"))


def masked(secret: str) -> str:
    """A secret as a person may see it to recognise it: the last four characters of a long one, nothing of a short."""
    if len(secret) < 16:
        return MASK if secret else ""
    return MASK + secret[-4:]


def scrubbed(text: str) -> str:
    """Free text (an error from outside, say) with what looks like a token or credentials masked."""
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text
