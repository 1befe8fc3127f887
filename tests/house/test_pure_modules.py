"""Pure modules are named once for mypy and once for import-linter; both must mean the same ones."""

import tomllib
from fnmatch import fnmatch

from tests.house.tree import ROOT, product_modules, shown

TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def declared_pure() -> list[str]:
    contracts = TOOLS["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["name"].startswith("Pure modules")]
    return contract["source_modules"]


def checked_strictly() -> list[str]:
    (strict,) = [section for section in TOOLS["mypy"]["overrides"] if section.get("disallow_untyped_defs")]
    return strict["module"]


def test_pure_modules_and_the_client_are_the_ones_checked_strictly():
    assert sorted(checked_strictly()) == sorted([*declared_pure(), "memoryhub.client.*"])


def test_every_declared_pure_module_exists():
    modules = [shown(path).removesuffix(".py").replace("/", ".") for path in product_modules()]

    assert [name for name in declared_pure() if not any(fnmatch(module, name) for module in modules)] == []
