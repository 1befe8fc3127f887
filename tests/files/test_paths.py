"""What a path may be."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.files.errors import BadPath
from apps.files.paths import (
    after_prefix,
    check_portable,
    checked_path,
    checked_prefix,
    portable_key,
)

SEGMENTS = st.text(
    st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="/\\"), min_size=1, max_size=20
).filter(lambda text: text not in (".", "..", ".memoryhub"))
PATHS = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/b/c.md",
        "...",
        ".hidden",
        "a/.b",
        "a..b",
        " ",
        "a b",
        "a/ b /c",
        "é",
        "e\u0301",
        "日本語/メモ.md",
        "😀",
        "a:b",
        "memoryhub",
        ".memoryhub2/a",
        "a/.memoryhub/b",
        "con",
        "x" * 255,
        "\u00a0",
        "\u200b",
        "\u2028",
        "%2F",
        "a?b",
        "#",
        "/".join(["a" * 255] * 4),
        "x" * 1,
        "é" * 127,
        "\ufeff",
        "\U0010ffff",
    ],
)
def test_a_good_path_comes_back_byte_for_byte(path):
    assert checked_path(path) == path


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "empty"),
        ("\ud800", "not_utf8"),
        ("a/\udcff", "not_utf8"),
        ("/".join(["a" * 200] * 5) + "/" + "a" * 20, "too_long"),
        ("a/" * 512 + "a", "too_long"),
        ("\x00", "control_character"),
        ("a\nb", "control_character"),
        ("a\tb", "control_character"),
        ("a\x7f", "control_character"),
        ("a\x85", "control_character"),
        ("a\\b", "backslash"),
        ("/a", "slash_at_edge"),
        ("a/", "slash_at_edge"),
        ("/", "slash_at_edge"),
        ("a//b", "empty_segment"),
        (".", "dot_segment"),
        ("..", "dot_segment"),
        ("a/./b", "dot_segment"),
        ("../a", "dot_segment"),
        ("a/..", "dot_segment"),
        ("x" * 256, "segment_too_long"),
        ("a/" + "é" * 128, "segment_too_long"),
        (".memoryhub", "reserved"),
        (".memoryhub/a", "reserved"),
        (".MemoryHub/a", "reserved"),
    ],
)
def test_a_broken_rule_is_named(path, rule):
    with pytest.raises(BadPath) as refusal:
        checked_path(path)

    assert refusal.value.fields == {"rule": rule}
    assert len(refusal.value.detail) <= 200


def test_the_longest_path_has_1024_bytes():
    longest = "/".join(["a" * 255] * 3 + ["a" * 252, "é"])

    assert len(longest.encode()) == 1023
    assert checked_path(longest + "b") == longest + "b"
    with pytest.raises(BadPath):
        checked_path(longest + "bc")


@given(PATHS)
def test_any_path_of_good_segments_is_good_or_too_long(path):
    if len(path.encode()) <= 1024 and all(len(part.encode()) <= 255 for part in path.split("/")):
        assert checked_path(path) == path
    else:
        with pytest.raises(BadPath):
            checked_path(path)


@given(st.text(max_size=60))
def test_any_text_is_the_path_itself_or_refused(text):
    try:
        path = checked_path(text)
    except BadPath:
        return
    assert path == text
    parts = text.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)
    assert "\\" not in text and parts[0] != ".memoryhub"


@pytest.mark.parametrize(("prefix", "checked"), [("", ""), ("a", "a/"), ("a/", "a/"), ("a/b", "a/b/")])
def test_a_prefix_is_a_folder(prefix, checked):
    assert checked_prefix(prefix) == checked


@pytest.mark.parametrize("prefix", ["/", "a//", "//", "/a", "..", "a\\", "\x00"])
def test_a_prefix_keeps_the_rules_of_a_path(prefix):
    with pytest.raises(BadPath):
        checked_prefix(prefix)


@given(PATHS, st.lists(PATHS, max_size=20))
def test_the_paths_below_a_prefix_are_those_between_it_and_its_end(folder, others):
    prefix = checked_prefix(folder)
    end = after_prefix(prefix)
    below = [f"{prefix}{path}" for path in others]

    for path in [*others, *below, folder]:
        is_between = prefix.encode() < path.encode() < end.encode()
        assert is_between == path.startswith(prefix)


@pytest.mark.parametrize(
    "path",
    [
        "con",
        "CON",
        "a/nul.txt",
        "Aux",
        "com1",
        "COM9.log",
        "lpt1",
        "com¹",
        "a.",
        "a /b",
        "a<b",
        "a>b",
        "a:b",
        'a"b',
        "a|b",
        "a?b",
        "a*b",
        "prn.tar.gz",
        "x/con/y",
    ],
)
def test_a_name_that_windows_cannot_hold_is_refused_for_portable_workspaces(path):
    assert checked_path(path) == path
    with pytest.raises(BadPath) as refusal:
        check_portable(path)

    assert refusal.value.fields == {"rule": "windows_reserved"}


@pytest.mark.parametrize("path", ["console", "com", "com0", "com10", "lpt", "a.con", "nulls.txt", "a b", ".a", "a/b.c"])
def test_a_name_that_windows_can_hold_is_portable(path):
    check_portable(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("README.md", "readme.MD"), ("é", "e\u0301"), ("É", "e\u0301"), ("ß", "SS"), ("ﬁ", "FI"), ("Å", "Å")],
)
def test_twins_share_a_portable_key(one, other):
    assert portable_key(1, one) == portable_key(1, other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("a/b", "a/c"), ("a", "a/b"), ("é", "e"), ("ab", "a b")])
def test_different_names_have_different_portable_keys(one, other):
    assert portable_key(1, one) != portable_key(1, other)


def test_a_portable_key_belongs_to_one_workspace():
    assert portable_key(1, "a") != portable_key(2, "a")
