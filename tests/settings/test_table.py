import subprocess

import pytest

from memoryhub.settings.generate import configuration_page, env_example, files
from memoryhub.settings.table import BY_NAME, GROUPS, SETTINGS, Setting


def test_generated_files_are_current() -> None:
    for path, text in files().items():
        assert path.read_text("utf-8") == text, f"run python -m memoryhub.settings.generate to renew {path.name}"


def test_names_are_unique_and_groups_exist() -> None:
    assert len(BY_NAME) == len(SETTINGS)
    assert {setting.group for setting in SETTINGS} == set(GROUPS)


def test_every_default_is_a_value_of_its_kind() -> None:
    for setting in SETTINGS:
        if setting.default:
            assert setting.allows(setting.kind.parse(setting.default)), setting.name


def test_no_secret_has_a_default() -> None:
    assert [setting.name for setting in SETTINGS if setting.secret and setting.default] == []


def test_bounds_are_told_in_both_documents() -> None:
    assert "| `MEMORYHUB_REQUEST_TIMEOUT_S` | seconds, between 1 and 86400 | `300` |" in configuration_page()
    assert "# Files up to this size travel inside their database row. (at most 1MiB)\n" in env_example()


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting.made_by], ids=lambda one: one.name)
def test_the_command_that_makes_a_value_makes_one_that_is_taken(setting: Setting) -> None:
    made = [subprocess.check_output(["/bin/sh", "-c", setting.made_by], text=True).strip() for _ in range(2)]

    assert [setting.kind.parse(value) for value in made] == made
    assert made[0] != made[1]
