"""The compose stack: every setting reaches the hub, and what the stack itself gives wins."""

import re
from typing import Any

import yaml

from memoryhub.settings.table import BY_NAME
from tests.house.tree import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
HUB_SERVICES = ("web", "worker", "beat", "migrate", "bucket")


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded["services"]


def test_the_env_file_reaches_every_service_of_the_hub_and_may_be_missing() -> None:
    found = {name: service["env_file"] for name, service in services().items() if "env_file" in service}

    assert tuple(found) == HUB_SERVICES
    assert all(files == [{"path": ".env", "required": False}] for files in found.values())


def test_the_stack_gives_only_settings_that_the_hub_knows() -> None:
    given = {name for service in HUB_SERVICES for name in services()[service]["environment"]}

    assert given - BY_NAME.keys() == set()


def test_no_variable_of_the_stack_itself_is_taken_for_a_setting_of_the_hub() -> None:
    # The file is handed to the hub as it is, and the hub refuses names like its own that it does not know.
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", TEXT))

    assert {name for name in used if name.startswith("MEMORYHUB_")} - BY_NAME.keys() == set()
    assert used - BY_NAME.keys() == {"POSTGRES_PASSWORD", "S3_SECRET_KEY", "HUB_PORT"}
