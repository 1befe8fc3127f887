"""The compose stack: settings reach the hub, secrets have two ways in, and every service is looked after.

That the files are valid is checked by `.ci/run` with the schema of the Compose specification.
"""

import re
from typing import Any

import pytest

from memoryhub.settings.env import read
from memoryhub.settings.generate import STACK as OWN_VARIABLES
from memoryhub.settings.start import require_settings
from memoryhub.settings.table import BY_NAME
from tests.house.stack import ANSWERS, HUB_SERVICES, OPEN_ANSWERS, SECRETS, STACK, stack, text_of
from tests.house.tree import ROOT

STEPS = ("migrate", "bucket")
"""Services that end when they are done; others wait for their success, so they need no health check."""
OF_THE_IMAGE = {"TMPDIR"}
STACKS = pytest.mark.parametrize("files", [(STACK,), (STACK, SECRETS)], ids=["from .env", "from files"])


def services(*files: str) -> dict[str, Any]:
    """The services of the files, with everything answered that they ask for."""
    found: dict[str, Any] = stack(*files, variables=OPEN_ANSWERS if SECRETS in files else ANSWERS)["services"]
    return found


def test_the_env_file_reaches_every_service_of_the_hub_and_may_be_missing() -> None:
    found = {name: service["env_file"] for name, service in services().items() if "env_file" in service}

    assert tuple(found) == HUB_SERVICES
    assert all(files == [{"path": ".env", "required": False}] for files in found.values())


@STACKS
def test_the_stack_gives_only_settings_that_the_hub_knows(files: tuple[str, ...]) -> None:
    given = {name for service in HUB_SERVICES for name in services(*files)[service]["environment"]}
    unknown = given - BY_NAME.keys() - OF_THE_IMAGE

    # What is left can only be a secret that comes from a file.
    assert {name for name in unknown if not BY_NAME[name.removesuffix("_FILE")].secret} == set()
    assert (unknown != set()) == (SECRETS in files)


def test_no_variable_of_the_stack_itself_is_taken_for_a_setting_of_the_hub() -> None:
    # The file is handed to the hub as it is, and the hub refuses names like its own that it does not know.
    used = {name for file in (STACK, SECRETS) for name in re.findall(r"\$\{([A-Z0-9_]+)", text_of(file))}

    assert {name for name in used if name.startswith("MEMORYHUB_")} - BY_NAME.keys() == set()
    assert used - BY_NAME.keys() == {name for name, _help, _bytes in OWN_VARIABLES}


def test_the_example_of_an_env_file_names_every_variable_of_the_stack() -> None:
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", text_of(STACK)))
    named = set(re.findall(r"^#([A-Z0-9_]+)=", text_of(".env.example"), re.MULTILINE))

    assert used - named == set()


@pytest.mark.parametrize("name", [*OPEN_ANSWERS])
def test_an_address_that_is_not_given_stops_the_stack(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        stack(STACK, variables={**ANSWERS, name: ""})


# Without POSTGRES_PASSWORD it is PostgreSQL's own image that refuses to begin.
@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - OPEN_ANSWERS.keys() - {"POSTGRES_PASSWORD"}))
def test_a_secret_that_is_not_given_stops_the_first_steps(name: str) -> None:
    given = stack(STACK, variables={**ANSWERS, name: ""})["services"]["migrate"]["environment"]

    with pytest.raises(SystemExit, match="AWS_SECRET_ACCESS_KEY" if name == "S3_SECRET_KEY" else name):
        require_settings(read({**given, "MEMORYHUB_ENV_FILE": "none"}, ROOT))


def test_with_secrets_from_files_no_environment_holds_one_even_where_the_env_file_does() -> None:
    found = stack(STACK, SECRETS, variables=ANSWERS)["services"]
    environments = {name: service.get("environment", {}) for name, service in found.items()}
    secret = {"POSTGRES_PASSWORD", *(name for name, setting in BY_NAME.items() if setting.secret)} - {
        "REDIS_URL",
        "AWS_ACCESS_KEY_ID",
    }

    held = {
        (service, name) for service, given in environments.items() for name in given if given[name] and name in secret
    }

    assert held == set()


def test_every_secret_file_that_a_service_reads_is_handed_to_it() -> None:
    files = stack(STACK, SECRETS, variables=OPEN_ANSWERS)
    read_by = {
        (name, place)
        for name, service in files["services"].items()
        for place in re.findall(r"/run/secrets/(\w+)", str([service.get("environment"), service.get("entrypoint")]))
    }
    handed_to = {(name, secret) for name, service in files["services"].items() for secret in service.get("secrets", [])}

    assert read_by == handed_to
    assert {secret for _name, secret in handed_to} == set(files["secrets"])
    assert {given["file"] for given in files["secrets"].values()} == {f"./secrets/{name}" for name in files["secrets"]}
    assert "/secrets/" in text_of(".gitignore").splitlines()


@STACKS
def test_every_service_has_a_health_check_or_ends(files: tuple[str, ...]) -> None:
    found = services(*files)
    checked = {name for name, service in found.items() if service.get("healthcheck", {}).get("test")}

    assert found.keys() - checked == set(STEPS)
    assert {found[name]["restart"] for name in STEPS} == {"no"}
    assert {found[name]["restart"] for name in checked} == {"unless-stopped"}


def test_services_wait_for_what_they_need_to_be_well() -> None:
    found = services()
    waits = [service["depends_on"] for service in found.values() if "depends_on" in service]
    conditions = {name: how["condition"] for needed in waits for name, how in needed.items()}

    assert conditions == {
        **dict.fromkeys(("postgres", "valkey", "s3"), "service_healthy"),
        **dict.fromkeys(STEPS, "service_completed_successfully"),
    }
    assert {name for name, service in found.items() if "depends_on" in service} == set(HUB_SERVICES)


def test_every_service_is_limited_and_its_log_turned_over() -> None:
    for service in services().values():
        assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"[0-9]+s", service["stop_grace_period"])


def test_every_image_is_pinned_to_a_release() -> None:
    images = {service["image"] for service in services().values()} - {"memoryhub:core"}

    assert len(images) == 3
    assert [image for image in images if not re.search(r":[0-9][\w.-]*$", image)] == []


def test_the_hub_runs_without_rights_on_a_file_system_that_it_cannot_change() -> None:
    for name in HUB_SERVICES:
        service = services()[name]

        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert "/tmp" in service["tmpfs"]
        assert ("/data" in service["tmpfs"]) != ({"type": "volume", "target": "/data"} in service["volumes"])


def test_only_web_servers_have_a_port_and_only_on_this_machine() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert ports == {"web": ["127.0.0.1:8000:8000"], "coordinator": ["127.0.0.1:8001:8000"]}


def test_the_coordinator_runs_only_where_its_profile_is_asked_for_and_is_asked_for_its_own_health() -> None:
    profiles = {name: service["profiles"] for name, service in services().items() if "profiles" in service}
    web, coordinator = services()["web"]["healthcheck"], services()["coordinator"]["healthcheck"]

    assert profiles == {"coordinator": ["coordinator"]}
    assert coordinator == {**web, "test": [*web["test"], "/health"]}


def test_the_stores_are_reached_from_inside_alone() -> None:
    loaded = stack(STACK, variables=ANSWERS)

    assert {name: loaded["services"][name]["networks"] for name in ("postgres", "valkey", "s3")} == {
        name: ["inside"] for name in ("postgres", "valkey", "s3")
    }
    assert loaded["networks"]["inside"] == {"internal": True}


def test_every_named_volume_is_used() -> None:
    loaded = stack(STACK, variables=ANSWERS)
    used = {
        volume.partition(":")[0]
        for service in loaded["services"].values()
        for volume in service.get("volumes", [])
        if isinstance(volume, str)
    }

    assert used == set(loaded["volumes"]) == {"postgres", "s3"}
