from pathlib import Path

import pytest

from memoryhub.settings.env import SettingsError, missing, parse_file, read
from memoryhub.settings.start import require_settings
from memoryhub.settings.table import SETTINGS


def test_without_anything_every_setting_has_its_default(tmp_path: Path) -> None:
    values = read({}, tmp_path)

    assert values.given == frozenset()
    assert set(values.values) == {setting.name for setting in SETTINGS}
    assert values["MEMORYHUB_MAX_FILE_BYTES"] == 5 * 2**30
    assert values["MEMORYHUB_BLOB_INLINE_MAX"] == 65536
    assert values["MEMORYHUB_TOKEN_CACHE_S"] == 3.0
    assert values["MEMORYHUB_HTTPS_REQUIRED"] is False
    assert values["TRUSTED_PROXIES"] == ()
    assert values["AWS_REGION"] == "us-east-1"
    assert values["API_KEY"] == ""


def test_the_file_is_read_and_the_environment_wins_over_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("S3_BUCKET=from-file\nS3_PREFIX=from-file\n")

    values = read({"S3_BUCKET": "from-environment"}, tmp_path)

    assert values["S3_BUCKET"] == "from-environment"
    assert values["S3_PREFIX"] == "from-file"
    assert values.given == {"S3_BUCKET", "S3_PREFIX"}


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("S3_BUCKET=from-file\n")

    assert read({"S3_BUCKET": " "}, tmp_path)["S3_BUCKET"] == "from-file"


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("a-static-token-of-a-workspace\n")

    values = read({"API_KEY_FILE": str(secret)}, tmp_path)

    assert values["API_KEY"] == "a-static-token-of-a-workspace"
    assert values.given == {"API_KEY"}


def test_the_environment_wins_over_the_file_in_either_form_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-the-secret-file")
    (tmp_path / ".env").write_text("API_KEY=from-the-env-file-itself\n")

    assert read({"API_KEY_FILE": str(tmp_path / "key")}, tmp_path)["API_KEY"] == "from-the-secret-file"


def test_env_file_none_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("S3_BUCKET=from-file\n")

    assert read({"MEMORYHUB_ENV_FILE": "none"}, tmp_path)["S3_BUCKET"] == ""


def test_env_file_can_name_another_file(tmp_path: Path) -> None:
    (tmp_path / "hub.env").write_text("S3_BUCKET=from-other\n")

    assert read({"MEMORYHUB_ENV_FILE": "hub.env"}, tmp_path)["S3_BUCKET"] == "from-other"


REFUSED = {
    "both forms": (
        {"API_KEY": "a" * 20, "API_KEY_FILE": "/nowhere"},
        "API_KEY and API_KEY_FILE are both set in the environment: keep one.",
    ),
    "missing secret file": (
        {"API_KEY_FILE": "/nowhere/key"},
        "API_KEY_FILE names /nowhere/key, which cannot be read (FileNotFoundError): "
        "give the path of a readable text file.",
    ),
    "near name": (
        {"MEMORYHUB_SECRET_KEYS": "x"},
        "MEMORYHUB_SECRET_KEYS in the environment is not a setting of the hub: did you mean MEMORYHUB_SECRET_KEY?",
    ),
    "unknown name": (
        {"MEMORYHUB_QQQQQQQQQQ": "x"},
        "MEMORYHUB_QQQQQQQQQQ in the environment is not a setting of the hub: "
        "remove it; docs/configuration.md lists all settings.",
    ),
    "file of what is no secret": (
        {"MEMORYHUB_DATA_FILE": "/x"},
        "MEMORYHUB_DATA_FILE in the environment is not taken: only secrets can come from a file; set MEMORYHUB_DATA.",
    ),
    "flag": ({"MEMORYHUB_HTTPS_REQUIRED": "maybe"}, "MEMORYHUB_HTTPS_REQUIRED must be true or false."),
    "size": (
        {"MEMORYHUB_MAX_FILE_BYTES": "5 apples"},
        "MEMORYHUB_MAX_FILE_BYTES must be a number of bytes such as 65536, 64KiB, 100MiB or 5GiB.",
    ),
    "seconds": (
        {"MEMORYHUB_LOCK_TIMEOUT_S": "-1"},
        "MEMORYHUB_LOCK_TIMEOUT_S must be a number of seconds such as 30 or 0.5.",
    ),
    "inline files too large for a row": (
        {"MEMORYHUB_BLOB_INLINE_MAX": "10GiB"},
        "MEMORYHUB_BLOB_INLINE_MAX must be at most 1MiB.",
    ),
    "no time for a request": (
        {"MEMORYHUB_REQUEST_TIMEOUT_S": "0"},
        "MEMORYHUB_REQUEST_TIMEOUT_S must be between 1 and 86400.",
    ),
    "no time for the storage": (
        {"MEMORYHUB_STORAGE_TIMEOUT_S": "0.5"},
        "MEMORYHUB_STORAGE_TIMEOUT_S must be between 1 and 3600.",
    ),
    "no files": ({"MEMORYHUB_MAX_FILE_BYTES": "0"}, "MEMORYHUB_MAX_FILE_BYTES must be between 1KiB and 5TiB."),
    "more milliseconds than PostgreSQL counts": (
        {"MEMORYHUB_STATEMENT_TIMEOUT_S": "999999999"},
        "MEMORYHUB_STATEMENT_TIMEOUT_S must be at most 86400.",
    ),
    "seconds that round to no limit": (
        {"MEMORYHUB_LOCK_TIMEOUT_S": "0.0001"},
        "MEMORYHUB_LOCK_TIMEOUT_S must be 0 for no limit, or 0.1 seconds or more.",
    ),
    "no port": ({"AGMEM_COORDINATOR_PORT": "70000"}, "AGMEM_COORDINATOR_PORT must be between 1 and 65535."),
    "rate": (
        {"MEMORYHUB_RATE_LIMIT_LOGIN": "10"},
        "MEMORYHUB_RATE_LIMIT_LOGIN must be a rate such as 300/m (s, m or h), or off.",
    ),
    "network": (
        {"TRUSTED_PROXIES": "10.0.0.1/8"},
        "TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, comma separated (unix for a socket).",
    ),
    "choice": ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be one of json, text."),
    "database": (
        {"DATABASE_URL": "mysql://host/name"},
        "DATABASE_URL must be a PostgreSQL address such as postgres://user:password@host:5432/memoryhub.",
    ),
    "redis": (
        {"REDIS_URL": "http://host"},
        "REDIS_URL must be a Redis address such as redis://host:6379/0, rediss://... or unix:///run/redis.sock?db=0.",
    ),
    "short key": (
        {"MEMORYHUB_SECRET_KEY": "short"},
        "MEMORYHUB_SECRET_KEY must be at least 32 random characters, for example from `openssl rand -hex 32`.",
    ),
    "token keys of one id": (
        {"MEMORYHUB_TOKEN_KEY": f"a:{'00' * 32},a:{'11' * 32}"},
        "MEMORYHUB_TOKEN_KEY must be keyid:hex[,keyid:hex...], ids of at most 16 letters or digits, "
        "at least 32 bytes of hex each.",
    ),
    "half a key pair": (
        {"AWS_ACCESS_KEY_ID": "AKIA"},
        "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither.",
    ),
    "hub token as static token": (
        {"API_KEY": "mh_012345678901_0123456789"},
        "API_KEY must be a text that does not begin with mh_ or mhp_, which mark the hub's own tokens.",
    ),
}


def test_the_bounds_themselves_are_taken(tmp_path: Path) -> None:
    values = read(
        {
            "MEMORYHUB_BLOB_INLINE_MAX": "1MiB",
            "MEMORYHUB_REQUEST_TIMEOUT_S": "1",
            "MEMORYHUB_STATEMENT_TIMEOUT_S": "0",
            "MEMORYHUB_LOCK_TIMEOUT_S": "0.1",
            "MEMORYHUB_MAX_FILE_BYTES": "5TiB",
            "MEMORYHUB_ENV_FILE": "none",
        },
        tmp_path,
    )

    assert values["MEMORYHUB_BLOB_INLINE_MAX"] == 2**20
    assert values["MEMORYHUB_REQUEST_TIMEOUT_S"] == 1.0
    assert values["MEMORYHUB_STATEMENT_TIMEOUT_S"] == 0.0
    assert values["MEMORYHUB_LOCK_TIMEOUT_S"] == 0.1
    assert values["MEMORYHUB_MAX_FILE_BYTES"] == 5 * 2**40


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_stops_the_start_with_one_sentence(case: str, tmp_path: Path) -> None:
    environment, sentence = REFUSED[case]

    with pytest.raises(SettingsError) as refusal:
        read(environment, tmp_path)

    assert str(refusal.value) == sentence


def test_a_wrong_name_in_the_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MEMORYHUB_DATTA=/srv\n")

    with pytest.raises(SettingsError, match="MEMORYHUB_DATTA in the .env file .* did you mean MEMORYHUB_DATA"):
        read({}, tmp_path)


def test_a_named_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist: name another file, or none."):
        read({"MEMORYHUB_ENV_FILE": "other.env"}, tmp_path)


def test_an_error_never_repeats_the_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("a line with s3cret\n")
    for environment in ({"MEMORYHUB_SECRET_KEY": "s3cret"}, {"MEMORYHUB_TOKEN_KEY": "s3cret"}, {}):
        with pytest.raises(SettingsError) as refusal:
            read(environment, tmp_path)

        assert "s3cret" not in str(refusal.value)


def test_lines_of_the_file() -> None:
    text = """
# a comment
PLAIN=value
  export EXPORTED = spaced value  # a comment
QUOTED="with # and spaces "
SINGLE='it has "double" ones'
HASH=a#b
EMPTY=
TRAILING="x"   # why
"""

    assert parse_file(text, ".env") == {
        "PLAIN": "value",
        "EXPORTED": "spaced value",
        "QUOTED": "with # and spaces ",
        "SINGLE": 'it has "double" ones',
        "HASH": "a#b",
        "EMPTY": "",
        "TRAILING": "x",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A=1\nnonsense", "Line 2 of .env is not of the form NAME=value."),
        ('A="open', "Line 1 of .env has a quote that does not close."),
        ("A='x' y", "Line 1 of .env has a quote that does not close."),
        ("1A=x", "Line 1 of .env is not of the form NAME=value."),
    ],
)
def test_a_line_that_is_none_is_refused_by_its_number(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse_file(text, ".env")

    assert str(refusal.value) == sentence


def test_a_server_needs_its_keys_and_services(tmp_path: Path) -> None:
    values = read({}, tmp_path)

    assert [setting.name for setting in missing(values)] == [
        "MEMORYHUB_SECRET_KEY",
        "MEMORYHUB_TOKEN_KEY",
        "MEMORYHUB_SECRETS_KEY",
        "DATABASE_URL",
        "REDIS_URL",
    ]
    with pytest.raises(SettingsError, match=r"^Set MEMORYHUB_SECRET_KEY \(or MEMORYHUB_SECRET_KEY_FILE\) before"):
        require_settings(values)
