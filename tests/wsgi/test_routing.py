import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryhub import routing
from memoryhub.routing import Mount, OwnAddress, RootShape, RoutingError, root_routes

AT_ROOT = root_routes("memory-proxy:default", ())


@pytest.mark.parametrize(
    ("path", "rewritten"),
    [
        ("/sync", "/w/default/memory-proxy/sync"),
        ("/sync/", "/w/default/memory-proxy/sync/"),
        ("/sync/personas/a/memory", "/w/default/memory-proxy/sync/personas/a/memory"),
        ("/blob/test.txt", "/w/default/memory-proxy/blob/test.txt"),
        ("/blob/a/blob/b", "/w/default/memory-proxy/blob/a/blob/b"),
        ("/personas/a/memory/blob/x.md", "/w/default/memory-proxy/personas/a/memory/blob/x.md"),
        ("/ns/blob/line\nbreak", "/w/default/memory-proxy/ns/blob/line\nbreak"),
        ("/docs/blob/x", "/w/default/memory-proxy/docs/blob/x"),
        ("/ns/blob/", "/w/default/memory-proxy/ns/blob/"),
        ("/blob", None),
        ("/synchronous", None),
        ("/", None),
        ("/health", None),
        ("/metrics", None),
        ("/docs", None),
        ("/openapi.json", None),
        ("/api/v1/workspaces/default/files/a/blob/b", None),
        ("/w/other/memory-proxy/blob/x", None),
        ("/admin/blob/x", None),
        ("/static/blob/x", None),
        ("/favicon.ico", None),
    ],
)
def test_which_paths_at_the_root_are_the_dialect_s(path: str, rewritten: str | None) -> None:
    assert AT_ROOT.rewritten("any.host", path) == rewritten


AT_CLOUD_ROOT = root_routes("cloud-sync:default", ())


@pytest.mark.parametrize(
    ("path", "is_its_own"),
    [
        ("/sync/status", True),
        ("/sync/restore/manual_20260214_120000", True),
        ("/sync/unknown", True),
        ("/backup", True),
        ("/backups", True),
        ("/restore", True),
        ("/snapshots", True),
        ("/snapshots/name/restore", True),
        ("/export", True),
        ("/import", True),
        ("/health/ready", True),
        ("/health", False),
        ("/sync", False),
        ("/backups/name", False),
        ("/", False),
        ("/docs", False),
    ],
)
def test_which_paths_at_the_root_are_the_cloud_sync_s(path: str, is_its_own: bool) -> None:
    rewritten = AT_CLOUD_ROOT.rewritten("any.host", path)

    assert rewritten == (f"/w/default/cloud-sync{path}" if is_its_own else None)


def test_hosts_are_told_apart_without_port_and_case() -> None:
    routes = root_routes("", ("Memory.Example.org=memory-proxy:one", "[::1]=memory-proxy:two"))

    assert routes.rewritten("memory.example.org:8080", "/sync") == "/w/one/memory-proxy/sync"
    assert routes.rewritten("MEMORY.example.ORG.", "/sync") == "/w/one/memory-proxy/sync"
    assert routes.rewritten("[::1]:80", "/sync") == "/w/two/memory-proxy/sync"
    assert routes.rewritten("other.example.org", "/sync") is None


def test_a_host_of_its_own_goes_before_the_dialect_of_all_hosts() -> None:
    routes = root_routes("memory-proxy:common", ("a.example=memory-proxy:own",))

    assert routes.rewritten("a.example", "/sync") == "/w/own/memory-proxy/sync"
    assert routes.rewritten("b.example", "/sync") == "/w/common/memory-proxy/sync"


def test_no_mounts_are_false() -> None:
    assert not root_routes("", ())
    assert AT_ROOT


@pytest.mark.parametrize(
    ("root", "hosts", "sentence"),
    [
        ("memory-proxy", (), "ROOT_DIALECT must be dialect:workspace, such as memory-proxy:default."),
        ("memory-proxy:Bad Slug", (), "ROOT_DIALECT must be dialect:workspace, such as memory-proxy:default."),
        (
            "gopher:default",
            (),
            "ROOT_DIALECT names an unknown dialect: known are cloud-sync, coordinator, memory-proxy.",
        ),
        (
            "memory-proxy:a,memory-proxy:b",
            (),
            "ROOT_DIALECT takes one dialect for a root, since their paths collide: use DIALECT_HOSTS for more.",
        ),
        ("", ("memory-proxy:a",), "DIALECT_HOSTS must be host=dialect:workspace, comma separated."),
        ("", ("http://h=memory-proxy:a",), "DIALECT_HOSTS must be host=dialect:workspace, comma separated."),
        (
            "",
            ("h=gopher:a",),
            "DIALECT_HOSTS names an unknown dialect: known are cloud-sync, coordinator, memory-proxy.",
        ),
        (
            "",
            ("h=memory-proxy:a", "H=memory-proxy:b"),
            "DIALECT_HOSTS names h twice: their paths collide, so give each dialect its own host.",
        ),
    ],
)
def test_what_cannot_be_mounted_is_told_in_one_sentence(root: str, hosts: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(RoutingError) as refusal:
        root_routes(root, hosts)

    assert str(refusal.value) == sentence


def test_a_dialect_with_an_address_of_the_hub_s_own_cannot_be_mounted() -> None:
    shape = RootShape(re.compile("/connectors|/metrics"), ("/connectors", "/metrics"))

    with pytest.raises(RoutingError) as refusal:
        routing.check_collisions("connector", shape)

    assert str(refusal.value) == "connector cannot be mounted at a root: its /metrics is the hub's own address."


def test_every_dialect_answers_its_own_samples() -> None:
    for dialect, shape in routing.ROOT_SHAPES.items():
        for sample in shape.samples:
            assert Mount(dialect, "w").rewritten(sample) == f"/w/w/{dialect}{sample}"


@pytest.mark.parametrize(
    "path",
    ["/", "/health", "/push", "/t/mhp_x/pull", "/docs", "/admin/reset", "/admin/", "/readyz", "/w/b/coordinator/pull"],
)
def test_an_address_of_its_own_is_the_dialect_s_whole(path: str) -> None:
    assert OwnAddress(Mount("coordinator", "a")).rewritten("any.host", path) == f"/w/a/coordinator{path}"


def test_an_address_of_its_own_keeps_the_files_that_pages_load() -> None:
    assert OwnAddress(Mount("coordinator", "a")).rewritten("any.host", "/static/a.js") is None


@pytest.mark.parametrize(
    ("path", "shown", "token"),
    [
        ("/w/a/coordinator/t/mhp_secret/push", "/w/a/coordinator/push", "mhp_secret"),
        ("/w/a/coordinator/t/mhp_secret/pull", "/w/a/coordinator/pull", "mhp_secret"),
        ("/w/a/coordinator/t/mhp_secret/other", "/w/a/coordinator/other", "mhp_secret"),
        ("/w/a/coordinator/t/mhp_secret", "/w/a/coordinator/", "mhp_secret"),
        ("/w/a/coordinator/t/mhp_secret/", "/w/a/coordinator/", "mhp_secret"),
        ("/w/a/coordinator/t//push", "/w/a/coordinator/t//push", None),
        ("/w/a/memory-proxy/t/x/push", "/w/a/memory-proxy/t/x/push", None),
        ("/api/v1/x/w/b/coordinator/t/x/push", "/api/v1/x/w/b/coordinator/t/x/push", None),
    ],
)
def test_tokens_are_cut_out_of_paths(path: str, shown: str, token: str | None) -> None:
    assert routing.without_path_token(path) == (shown, token)


@pytest.mark.parametrize(
    ("path_info", "path"),
    [
        ("/plain", "/plain"),
        ("/caf\u00c3\u00a9", "/caf\u00e9"),
        ("/\u00ff", None),
        ("/\u00c3", None),
        ("/a\x00b", None),
        ("/a\nb", None),
        ("/a\x7fb", None),
        ("/\u00c2\u0085", None),
        ("/\u00ed\u00a0\u0080", None),
    ],
)
def test_paths_are_strict_utf_8_without_control_characters(path_info: str, path: str | None) -> None:
    assert routing.decoded_path(path_info) == path


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_what_a_client_encodes_is_what_is_decoded(path: str) -> None:
    assert routing.decoded_path(path.encode().decode("latin-1")) == path
