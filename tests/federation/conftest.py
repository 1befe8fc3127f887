from tests.dialects.memory_proxy.conftest import one_connection
from tests.jobs.conftest import hub_environment

__all__ = ["hub_environment", "one_connection"]
