"""The sample files for traefik, which no test runs; those of nginx and Caddy run in `tests/system/test_proxies.py`."""

from typing import Any

import yaml

from tests.house.tree import ROOT


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "proxies" / name).read_text(encoding="utf-8"))
    return found


def test_traefik_logs_no_address_and_no_header() -> None:
    static = sample("traefik.yaml")
    fields = static["accessLog"]["fields"]

    assert {"RequestPath": "drop", "RequestLine": "drop"}.items() <= fields["names"].items()
    assert fields["headers"] == {"defaultMode": "drop"}
    assert static["log"] == {"level": "INFO"}
    assert "tracing" not in static


def test_traefik_redirects_nobody_and_each_name_in_one_file_is_in_the_other() -> None:
    static, hub = sample("traefik.yaml"), sample("traefik-hub.yaml")["http"]
    entries = static["entryPoints"]

    assert [name for name, entry in entries.items() if "redirections" in entry["http"]] == []
    assert {entry for router in hub["routers"].values() for entry in router["entryPoints"]} == entries.keys()
    assert {router["service"] for router in hub["routers"].values()} == hub["services"].keys()
    assert "middlewares" not in hub
