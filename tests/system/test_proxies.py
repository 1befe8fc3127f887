"""The sample files of docs/proxies in real proxies: what they hand on, and that their logs never hold a path token."""

import http.client
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from memoryhub.embedded import accounts
from memoryhub.embedded.processes import Child
from tests import services
from tests.waiting import wait_until

pytestmark = pytest.mark.system

SAMPLES = services.ROOT / "docs" / "proxies"
SECRET = "s3cr3tOfThePathToken"
TOKEN = f"mhp_abcdefghijkl_{SECRET}"
ENCODED = "".join(f"%{ord(letter):02x}" for letter in TOKEN)
SPELLINGS = [
    f"/t/{TOKEN}/push",
    f"/t/{TOKEN}",
    f"/t/{TOKEN}/push?retry=1",
    f"//t//{TOKEN}//push",
    f"/%74/{TOKEN}/push",
    f"/t%2F{TOKEN}%2fpush",
    f"/%2ft/{TOKEN}/push",
    f"/t/{ENCODED}/push",
    f"/./t/{TOKEN}/push",
    f"/x/../t/{TOKEN}/push",
    f"/t/not-of-ours-{SECRET}/push",
    f"/w/x/coordinator/t/{TOKEN}/pull",
    f"/w/x/coordinator/t/{TOKEN}/pull?a=b",
    f"/w/x/coordinator//t//{TOKEN}/pull",
    f"//w//x//coordinator//t//{TOKEN}/pull",
    f"/w/x/%63oordinator/%74/{ENCODED}/pull",
    f"/w/x/coordinator%2Ft%2F{TOKEN}%2Fpull",
    f"/elsewhere/{TOKEN}",
    f"/t/{TOKEN}/broken%zzescape",
]
PLAIN = "/api/v1//files/a%2Fb.md?limit=5"
MAIN = """\
user {user};
pid {place}/nginx.pid;
error_log {place}/main-error.log;
events {{}}
http {{
    access_log {place}/main-access.log;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    include {place}/hub.conf;
}}
"""


@dataclass
class Upstream:
    """Stands in for the hub: says yes to everything and remembers it."""

    port: int = field(default_factory=services.free_port)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        asked = self.asked

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Answers)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Proxy:
    port: int
    upstream: Upstream
    place: Path

    def asked(self, path: str, **headers: str) -> int:
        """Sends the path as it is spelt here, and gives the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("0", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body=b"{}", headers={"Host": "hub.example.org", **named})
        status = connection.getresponse().status
        connection.close()
        return status

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.place.glob("*.log")))


def nginx(proxy: Proxy) -> list[str]:
    """Its command, with the sample in `proxy.place` for this machine."""
    sample = (SAMPLES / "nginx.conf").read_text()
    sample = re.sub(r"^ *(listen 443|ssl_).*\n", "", sample, flags=re.MULTILINE)
    sample = sample.replace("listen 80;", f"listen 127.0.0.1:{proxy.port};")
    sample = sample.replace("127.0.0.1:8000", f"127.0.0.1:{proxy.upstream.port}")
    (proxy.place / "hub.conf").write_text(sample.replace("/var/log/nginx", str(proxy.place)))
    main = proxy.place / "nginx.conf"
    main.write_text(MAIN.format(place=proxy.place, user=accounts.current().name))
    return ["nginx", "-p", str(proxy.place), "-c", str(main), "-g", "daemon off;"]


def caddy(proxy: Proxy) -> list[str]:
    """As `nginx`."""
    sample = (SAMPLES / "Caddyfile").read_text()
    sample = sample.replace("auto_https disable_redirects", "auto_https off\n\tadmin off")
    sample = sample.replace(
        "http://hub.example.org, https://hub.example.org {", f"http://hub.example.org:{proxy.port} {{"
    )
    sample = sample.replace("127.0.0.1:8000", f"127.0.0.1:{proxy.upstream.port}")
    file = proxy.place / "Caddyfile"
    file.write_text(sample.replace("/var/log/caddy", str(proxy.place)))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


@pytest.fixture(params=[nginx, caddy])
def proxy(request: pytest.FixtureRequest, hub_place: Path) -> Iterator[Proxy]:
    """One of the proxies, in front of an upstream that does not run yet."""
    proxy = Proxy(services.free_port(), Upstream(), hub_place)
    environment = {**os.environ, "XDG_DATA_HOME": str(hub_place), "XDG_CONFIG_HOME": str(hub_place)}
    child = Child(
        request.param.__name__,
        request.param(proxy),
        environment=environment,
        account=accounts.current(),
        log=hub_place / "output.log",
    )
    wait_until(lambda: listens(proxy))
    yield proxy
    child.stop(grace_s=10)


def listens(proxy: Proxy) -> bool:
    try:
        return proxy.asked("/") == 502
    except OSError:
        return False


def test_no_log_holds_a_path_token_however_it_is_spelt_and_whatever_becomes_of_it(proxy: Proxy) -> None:
    with proxy.upstream.running():
        answered = {proxy.asked(path) for path in SPELLINGS}
        proxy.asked("/plain", Referer=f"https://hub.example.org/t/{TOKEN}/docs")
    failed = {proxy.asked(path) for path in SPELLINGS}
    proxy.asked(PLAIN)
    proxy.asked("/the-last")
    wait_until(lambda: "/the-last" in proxy.logs())

    assert (answered - {400}, failed - {400}) == ({200}, {502})
    assert PLAIN in proxy.logs()
    assert SECRET not in unquote(proxy.logs())


def test_requests_are_handed_on_as_they_came_with_the_truth_about_their_way(proxy: Proxy) -> None:
    with proxy.upstream.running():
        status = proxy.asked(
            PLAIN, X0Forwarded0For="203.0.113.9", X0Forwarded0Proto="https", X0Forwarded0Host="evil", If_Match="x"
        )

    ((path, headers),) = proxy.upstream.asked
    assert (status, path) == (200, PLAIN)
    assert headers["host"] == headers["x-forwarded-host"] == "hub.example.org"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-for"].endswith("127.0.0.1")
    assert "if_match" not in headers
