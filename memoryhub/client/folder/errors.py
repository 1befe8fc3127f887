"""Why a folder is not synced at all. What is wrong with single files is a `Problem` of the report instead."""


class FolderError(Exception):
    """`exit_code` is that of `memoryhub sync`."""

    exit_code = 2


class FolderInUse(FolderError):
    """Another sync of the same folder runs."""

    exit_code = 3


class TooManyDeletes(FolderError):
    """So many files would go at once that somebody should say yes first."""

    exit_code = 4

    def __init__(self, *, here: int, there: int, limit: int) -> None:
        super().__init__(
            f"This would delete {here} files here and {there} on the hub; more than {limit} at once need "
            "--allow-deletes. Nothing was deleted; everything else is in step."
        )
        self.here = here
        self.there = there


class AnotherHub(FolderError):
    """The folder belongs to another workspace, or to another folder of it."""

    exit_code = 5
