"""As the library names them."""


class KeyringError(Exception): ...


class KeyringLocked(KeyringError): ...
