"""The codes of refusals and the table of them in docs/api.md are the same."""

import re
from collections.abc import Iterator
from importlib import import_module

from apps.common.errors import DomainError
from tests.house.tree import ROOT, product_modules

ROW = re.compile(r"^\| `([a-z_]+)` \| ([1-5]\d\d) \| \S.* \|$", re.MULTILINE)


def kinds_of(parent: type[DomainError]) -> Iterator[type[DomainError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds_of(kind)


def refusals() -> set[tuple[str, int]]:
    """Code and status of every refusal of the product, wherever it is defined."""
    for path in product_modules():
        if "apps.common.errors import" in path.read_text(encoding="utf-8"):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    ours = (kind for kind in kinds_of(DomainError) if kind.__module__.startswith(("apps.", "memoryhub.")))
    return {(kind.code, kind.status) for kind in ours}


def test_the_guides_table_names_exactly_the_codes_that_exist():
    rows = [(code, int(status)) for code, status in ROW.findall((ROOT / "docs/api.md").read_text(encoding="utf-8"))]

    assert sorted(rows) == sorted(refusals())


def test_a_code_has_one_status():
    codes = [code for code, _ in refusals()]

    assert sorted(set(codes)) == sorted(codes)
