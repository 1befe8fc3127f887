import pytest


@pytest.fixture(autouse=True)
def nothing_remembered(settings):
    """What an earlier test's callers were told must not answer for this one's."""
    from apps.accounts import heare
    from apps.workspaces.access import forget_cached

    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "off"
    forget_cached()
    heare.forget()
