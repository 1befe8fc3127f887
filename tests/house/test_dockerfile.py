"""The Dockerfile: what its users build by name, and what its last stages promise. `.ci/run` lints it with hadolint."""

import json
import re

from tests.house.stack import ANSWERS, STACK, stack, text_of

INSTRUCTION = re.compile(r"^([A-Z]+) +(.*)$")


def instructions() -> list[tuple[str, str]]:
    """Keyword and rest of every instruction, continued lines joined, comments left out."""
    lines = [line for line in text_of("Dockerfile").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r" *\\\n *", " ", "\n".join(lines))
    return [(match[1], match[2]) for line in joined.splitlines() if (match := INSTRUCTION.match(line))]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage by its name, those of the stage that it stands on first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for keyword, rest in instructions():
        if keyword == "FROM":
            base, _as, name = rest.split()
            found[name] = list(found.get(base, []))
        found[name].append((keyword, rest))
    return found


def last(stage: str, keyword: str) -> str:
    return [rest for found, rest in stages()[stage] if found == keyword][-1]


def test_both_targets_are_there_and_core_is_what_a_plain_build_makes() -> None:
    assert {"core", "extract"} <= stages().keys()
    assert list(stages())[-1] == "core"
    assert stack(STACK, variables=ANSWERS)["services"]["web"]["build"]["target"] == "core"


def test_both_targets_take_the_argument_of_older_build_commands_and_do_the_same() -> None:
    core, extract = stages()["core"], stages()["extract"]

    assert [step for step in core if step[0] != "FROM"] == [step for step in extract if step[0] != "FROM"]
    assert core[-1] == ("ARG", "ENABLE_CLOUD_SYNC=true")


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    assert last("core", "USER") == "10001:0"


def test_data_lies_in_a_volume_and_the_web_server_is_what_runs() -> None:
    assert last("core", "VOLUME") == "/data"
    assert last("core", "EXPOSE") == "8000"
    assert json.loads(last("core", "ENTRYPOINT")) == ["tini", "--", "docker-entrypoint.sh"]
    assert json.loads(last("core", "CMD")) == ["web"]
    assert json.loads(last("core", "HEALTHCHECK").partition("CMD ")[2]) == ["docker-entrypoint.sh", "healthy"]


def test_what_is_installed_is_locked() -> None:
    installs = [
        step for _, rest in instructions() for step in rest.split(" && ") if " install " in step and "pip" in step
    ]

    assert len(installs) == 3
    assert [step for step in installs if not ("--require-hashes" in step or "--no-index" in step)] == []
    assert [step for step in installs if "--no-deps" not in step] == []


def test_every_base_is_pinned_and_there_is_but_one() -> None:
    bases = {rest.split()[0] for keyword, rest in instructions() if keyword == "FROM"} - stages().keys()

    assert bases == {"python:3.12-slim-bookworm"}


def test_what_is_copied_passes_the_ignore_file_and_no_secret_does() -> None:
    allowed = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}

    assert text_of(".dockerignore").splitlines()[1] == "*"
    assert allowed == {
        "LICENSE",
        "README.md",
        "apps",
        "docker-entrypoint.sh",
        "memoryhub",
        "pyproject.toml",
        "requirements*.lock",
        "static",
        "templates",
    }
