"""What a caller counts as where the rules speak of owners. Scopes say what a caller may do; this says as who."""

from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.common.errors import ScopeMissing
from apps.workspaces.models import Role

OPERATOR = "operator"
"""Stands beside the roles, and above them: the command line, superusers of the console, and tokens without a user that
the operator issued. Nothing that a request can ask for leads to it."""


def require_owner(acting_role: str) -> None:
    """ScopeMissing unless an owner or the operator acts."""
    if acting_role not in (Role.OWNER, OPERATOR):
        raise ScopeMissing("Only an owner may do this.", scope=WORKSPACE_ADMIN, role=str(Role.OWNER))
