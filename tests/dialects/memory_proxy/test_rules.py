"""The pure modules: addresses, versions, checksums."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.conditions import MAX_VERSION, ConditionKind
from apps.common.errors import DomainError, Invalid
from apps.dialects.memory_proxy import checksums, versions
from apps.dialects.memory_proxy.addresses import BadNamespace, file_path, index_prefix
from apps.files.errors import BadPath
from apps.files.paths import checked_path

SEGMENT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)


@given(namespace=PATH, path=PATH)
def test_a_namespaced_path_is_refused_or_lies_in_the_folder_of_its_index(namespace: str, path: str) -> None:
    try:
        prefix, whole = index_prefix(namespace), file_path(path, namespace)
    except (BadPath, BadNamespace):
        return

    assert whole == prefix + path
    assert checked_path(whole) == whole
    # The address, split as the routes split it, means the same again.
    assert f"{namespace}/blob/{path}".split("/blob/", 1) == [namespace, path]
    assert not namespace.startswith(("sync/", "blob/", "health/"))


@given(sequence=st.integers(1, MAX_VERSION - 1))
def test_a_version_leads_back_to_its_sequence(sequence: int) -> None:
    version = versions.wire_version(sequence)

    condition = versions.put_condition(version)

    assert (condition.kind, condition.version) == (ConditionKind.STATE, sequence)
    assert versions.expected_version(str(version)) == version
    assert 1_763_600_000_000 < version < 2**53


@given(
    version=st.integers().filter(lambda version: not 0 < version - versions.VERSION_BASE < MAX_VERSION and version != 0)
)
def test_any_other_version_is_that_of_no_state(version: int) -> None:
    condition = versions.put_condition(version)

    assert (condition.kind, condition.version) == (ConditionKind.STATE, 0)


@given(
    number=st.integers(-(10**38), 10**38),
    around=st.sampled_from(["", " ", "\t"]),
    zeros=st.sampled_from(["", ".0", ".000"]),
)
def test_a_whole_number_is_read_however_it_is_written(number: int, around: str, zeros: str) -> None:
    assert versions.required_version(f"{around}{number}{zeros}{around}") == number


@pytest.mark.parametrize("text", ["\uff11\uff12", "1e3", "0x1", "1.", ".0", "1_", "--1", "1 2", "1.0.0", "nan"])
def test_what_only_looks_like_a_number_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        versions.required_version(text)


@given(data=st.binary(max_size=20), text=st.text(max_size=40))
def test_a_checksum_passes_only_as_the_bodys_own(data: bytes, text: str) -> None:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()

    checksums.check_body(md5.hex(), md5)
    with pytest.raises(DomainError):
        checksums.check_body(text, md5)


@given(text=st.text(max_size=40).filter(lambda text: text != "new"))
def test_a_stored_md5_is_compared_as_text(text: str) -> None:
    condition = checksums.put_condition(text)

    assert condition.kind is ConditionKind.MD5
    assert condition.md5 is not None
    assert condition.md5.hex() == text or condition.md5 == b""
