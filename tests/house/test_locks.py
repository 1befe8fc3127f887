"""The lock files: every version pinned and hashed, and no address to download from."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.tree import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SERVED = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
DEVELOPED = PYPROJECT["dependency-groups"]["dev"]
BUILT = PYPROJECT["dependency-groups"]["build"]
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"]


def pins(name: str) -> dict[str, Version]:
    """Locked version of each distribution; a distribution pinned twice (by marker) keeps the lowest."""
    locked: dict[str, Version] = {}
    for entry in entries(name):
        distribution, version = re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", entry).groups()
        key = canonicalize_name(distribution)
        locked[key] = min(Version(version), locked.get(key, Version(version)))
    return locked


def entries(name: str) -> list[str]:
    """The lock as logical lines, one for each requirement with its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_line_is_one_pinned_version_with_hashes(name):
    form = re.compile(r"[A-Za-z0-9._-]+==[^ ;]+( *;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+")

    assert [entry for entry in entries(name) if not form.fullmatch(entry)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_holds_an_address(name):
    text = (ROOT / name).read_text(encoding="utf-8")

    assert re.findall(r".*(?:://| @ |--(?:extra-)?index-url|--find-links).*", text) == []


@pytest.mark.parametrize(("name", "wanted"), [(LOCKS[0], SERVED), (LOCKS[1], [*SERVED, *DEVELOPED]), (LOCKS[2], BUILT)])
def test_every_dependency_is_locked_at_a_version_it_allows(name, wanted):
    locked = pins(name)

    unmet = [
        text
        for text in wanted
        if not (version := locked.get(canonicalize_name(Requirement(text).name)))
        or not Requirement(text).specifier.contains(version, prereleases=True)
    ]

    assert unmet == []


@pytest.mark.parametrize("name", [LOCKS[0], LOCKS[2]])
def test_every_lock_agrees_with_that_of_the_developers(name):
    locked, developed = pins(name), pins(LOCKS[1])

    assert {name: version for name, version in locked.items() if developed.get(name) != version} == {}


def test_every_dependency_has_a_floor():
    floorless = [
        text
        for text in [*SERVED, *DEVELOPED, *BUILT]
        if not any(spec.operator in {">=", "~=", "=="} for spec in Requirement(text).specifier)
    ]

    assert floorless == []
