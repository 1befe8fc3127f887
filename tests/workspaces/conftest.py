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


@pytest.fixture
def root(client, db):
    """A client signed in to the console as a superuser."""
    from tests.factories import make_user

    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client
