"""What a hub uses: the operator's services or its own, and its keys."""

import os
from pathlib import Path

import pytest

from memoryhub.embedded.choices import chosen_layout, hub_environment, kept_secret, read_choices
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import Layout
from memoryhub.settings.env import read
from tests import services

NO_FILE = {"MEMORYHUB_ENV_FILE": "none"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    places = Layout(tmp_path / "hub")
    places.prepare()
    return places


def test_without_settings_everything_is_its_own(tmp_path: Path) -> None:
    choices = read_choices(NO_FILE, tmp_path)

    assert (choices.own_database, choices.own_redis, choices.own_blobs) == (True, True, True)


def test_each_service_is_decided_alone(tmp_path: Path) -> None:
    choices = read_choices({**NO_FILE, "REDIS_URL": "redis://host:6379/0"}, tmp_path)

    assert (choices.own_database, choices.own_redis, choices.own_blobs) == (True, False, True)


def test_the_env_file_counts(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://u:p@host/db\nS3_BUCKET=b\n")

    choices = read_choices({}, tmp_path)

    assert (choices.own_database, choices.own_redis, choices.own_blobs) == (False, True, False)


def test_a_wrong_setting_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="^DATABASE_URL must be a PostgreSQL address"):
        read_choices({**NO_FILE, "DATABASE_URL": "mysql://x/y"}, tmp_path)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        (
            "ROOT_DIALECT",
            "gopher:default",
            "ROOT_DIALECT names an unknown dialect: known are cloud-sync, coordinator, memory-proxy.",
        ),
        ("DIALECT_HOSTS", "a.example", "DIALECT_HOSTS must be host=dialect:workspace, comma separated."),
        (
            "MEMORYHUB_CORS_DIALECTS",
            "gopher=https://a.example",
            "MEMORYHUB_CORS_DIALECTS names an unknown dialect: known are cloud-sync, coordinator, memory-proxy.",
        ),
    ],
)
def test_a_wrong_dialect_stops_up_before_anything_is_made(
    tmp_path: Path, setting: str, value: str, sentence: str
) -> None:
    environment = {**os.environ, **NO_FILE, setting: value}

    done = services.run_hub_command(["up", "--data", str(tmp_path / "hub")], environment)

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        (Path("/option"), {"MEMORYHUB_DATA": "/environment"}, "/option"),
        (None, {"MEMORYHUB_DATA": "/environment"}, "/environment"),
        (None, {}, "/file"),
        (None, {"MEMORYHUB_ENV_FILE": "none", "XDG_DATA_HOME": "/xdg"}, "/xdg/memoryhub"),
    ],
)
def test_the_data_directory_is_the_options_the_environments_the_files_or_the_usual_one(
    tmp_path: Path, option: Path | None, environment: dict[str, str], expected: str
) -> None:
    (tmp_path / ".env").write_text("MEMORYHUB_DATA=/file\n")

    layout = chosen_layout(option, read_choices(environment, tmp_path), environment)

    assert str(layout.data) == expected


def test_keys_are_made_once_and_fit_the_settings(layout: Layout, tmp_path: Path) -> None:
    choices = read_choices(NO_FILE, tmp_path)

    first = hub_environment(
        layout, choices, NO_FILE, database_url="postgres:///d", redis_url="unix:///r", make_keys=True
    )
    second = hub_environment(
        layout, choices, NO_FILE, database_url="postgres:///d", redis_url="unix:///r", make_keys=False
    )

    assert first == second
    assert first["MEMORYHUB_TOKEN_KEY"].startswith("k1:")
    read(first, tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in layout.secrets.iterdir()}
    assert modes == dict.fromkeys(["memoryhub_secret_key", "memoryhub_secrets_key", "memoryhub_token_key"], 0o600)


def test_the_operators_keys_are_used_and_not_kept(layout: Layout, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("k9:" + "ab" * 32)
    environment = {**NO_FILE, "MEMORYHUB_SECRET_KEY": "s" * 40, "MEMORYHUB_TOKEN_KEY_FILE": str(key_file)}
    choices = read_choices(environment, tmp_path)

    decided = hub_environment(layout, choices, environment, database_url=None, redis_url=None, make_keys=True)

    assert decided["MEMORYHUB_SECRET_KEY"] == "s" * 40
    assert decided["MEMORYHUB_TOKEN_KEY_FILE"] == str(key_file)
    assert "MEMORYHUB_TOKEN_KEY" not in decided
    assert [path.name for path in layout.secrets.iterdir()] == ["memoryhub_secrets_key"]


def test_an_empty_file_name_does_not_clash_with_a_made_key(layout: Layout, tmp_path: Path) -> None:
    environment = {**NO_FILE, "MEMORYHUB_SECRET_KEY_FILE": ""}
    choices = read_choices(environment, tmp_path)

    decided = hub_environment(layout, choices, environment, database_url=None, redis_url=None, make_keys=True)

    assert "MEMORYHUB_SECRET_KEY_FILE" not in decided
    assert len(decided["MEMORYHUB_SECRET_KEY"]) == 64


def test_a_missing_key_beside_a_command_is_told_and_not_made(layout: Layout) -> None:
    with pytest.raises(HubError, match="there was never a hub in .*, or the key is lost"):
        kept_secret(layout, "memoryhub_secret_key", None)

    assert list(layout.secrets.iterdir()) == []
