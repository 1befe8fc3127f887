"""Why a folder is not synced at all. What is wrong with single files stands in the report instead."""


class FolderError(Exception):
    """What is wrong, as a sentence."""


class FolderInUse(FolderError):
    """Another sync of the same folder runs."""


class AnotherHub(FolderError):
    """The folder belongs to another workspace, or to another folder of it."""
