"""How the console writes what others chose."""

import pytest

from apps.workspaces.showing import count, written


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, ""),
        (12_345, "12,345"),
        (-(2**63), "-9,223,372,036,854,775,808"),
        (10**20, "1.0e+20"),
        (10**400, "1.0e+400"),
    ],
)
def test_numbers_are_exact_up_to_64_bits_and_short_from_there(number: int | None, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "<bdi>plain</bdi>"),
        ("<b>", "<bdi>&lt;b&gt;</bdi>"),
        ("\u202eabc", "<bdi>\u202eabc</bdi>"),
        ("x" * 6, '<bdi title="xxxxxx">xxxxx…</bdi>'),
        ("", "<i>(blank)</i>"),
        (" \u200f\n", "<i>(blank)</i>"),
    ],
)
def test_foreign_text_is_escaped_cut_and_kept_apart(text: str, shown: str) -> None:
    assert written(text, 5) == shown
