from apps.common.errors import DomainError


class BadPath(DomainError):
    """Fields: `rule`, the name of the rule that the path breaks."""

    code, status, title = "bad_path", 400, "The path is not allowed"

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail, rule=rule)


class PathCollision(DomainError):
    """Fields: `twin`, the existing path that differs only in case or normalisation."""

    code, status, title = "path_collision", 409, "Another path has the same name on case-folding file systems"


class BlobMissing(DomainError):
    code, status, title = "not_found", 404, "The workspace has no content with this sha256"


class NotApplied(DomainError):
    code, status, title = "not_applied", 424, "Not applied, because another item of the batch was refused"
