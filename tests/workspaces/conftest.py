"""The workspace `mine`. Imports wait until Django has its settings."""

import pytest


@pytest.fixture
def mine(db):
    from tests.factories import make_workspace

    return make_workspace("mine")


@pytest.fixture
def admin(mine):
    """Headers of a token that may do everything in `mine`."""
    from apps.accounts.scopes import ADMIN_SCOPES
    from tests.factories import bearer, make_token

    return bearer(make_token(mine, *ADMIN_SCOPES))
