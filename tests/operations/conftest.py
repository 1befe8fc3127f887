import pytest


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Answers of an earlier test's services must not stand for this one's."""
    from apps.operations import cors, probes
    from apps.workspaces.access import forget_cached

    cors.forget_origins()
    forget_cached()
    for probe in {*probes.HEALTH, *probes.READINESS}:
        probe.forget()
