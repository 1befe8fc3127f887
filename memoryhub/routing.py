"""Which address a request means: older clients at the root of a host, tokens in paths, what a path may hold.

Pure: no Django, no network. Paths here are decoded text that begins with a slash.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
PATH_TOKEN = re.compile(r"(/w/[^/]+/coordinator)/t/([^/]+)(/.*)?", re.DOTALL)

STATIC_PREFIX = "/static/"
OWN_PREFIXES = ("/api/", "/w/", "/admin/", STATIC_PREFIX)
OWN_PAGES = frozenset(
    {"/", "/api", "/w", "/admin", "/docs", "/redoc", "/openapi.json", "/health", "/healthz", "/readyz", "/metrics"}
)
"""Addresses of the hub itself: no dialect at a root can take them."""


class RoutingError(ValueError):
    """A setting names what cannot be mounted. The message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class RootShape:
    """What a dialect answers at a root: `paths` matches all of it, `samples` has one path of each of its routes."""

    paths: re.Pattern[str]
    samples: tuple[str, ...]


ROOT_SHAPES: Mapping[str, RootShape] = {
    "cloud-sync": RootShape(
        # All of /sync/ and /snapshots/, and the addresses that it answers 404: clients get its words everywhere.
        re.compile(r"/(?:sync|snapshots)/.*|/(?:backups?|restore|snapshots|export|import|health/ready)", re.DOTALL),
        (
            "/sync/status",
            "/sync/restore/name",
            "/backup",
            "/backups",
            "/restore",
            "/snapshots",
            "/snapshots/name/restore",
            "/export",
            "/import",
            "/health/ready",
        ),
    ),
    "coordinator": RootShape(
        re.compile(r"/(?:push|pull|admin/reset)|/t/.*", re.DOTALL), ("/push", "/pull", "/t/token/push", "/t/token/pull")
    ),
    "memory-proxy": RootShape(
        # /sync and /blob/ are the seed wire; /sync/{ns} and /{ns}/blob/{path} the current one, whose namespace may
        # hold slashes.
        re.compile(r"/sync(?:/.*)?|/blob/.*|/.+/blob/.*", re.DOTALL),
        ("/sync", "/sync/namespace", "/blob/file.md", "/namespace/blob/file.md"),
    ),
}


@dataclass(frozen=True, slots=True)
class Mount:
    """One dialect of one workspace, at the root of a host."""

    dialect: str
    slug: str

    def rewritten(self, path: str) -> str | None:
        """The path below /w/ that `path` stands for, or None when the dialect does not answer it."""
        if path in OWN_PAGES or path.startswith(OWN_PREFIXES):
            return None
        if not ROOT_SHAPES[self.dialect].paths.fullmatch(path):
            return None
        return self.below(path)

    def below(self, path: str) -> str:
        """The path below /w/ that the dialect answers, whatever `path` is: if by nothing else, by its 404."""
        return f"/w/{self.slug}/{self.dialect}{path}"


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """A server that is one mount alone. Of the hub's own addresses it keeps the files that the dialect's pages load."""

    mount: Mount

    def rewritten(self, _host: str, path: str) -> str | None:
        """As `RootRoutes.rewritten`."""
        return None if path.startswith(STATIC_PREFIX) else self.mount.below(path)


@dataclass(frozen=True, slots=True)
class RootRoutes:
    """The mounts of all hosts: by lower-case host name, and the one of every other host."""

    by_host: Mapping[str, Mount]
    everywhere: Mount | None

    def __bool__(self) -> bool:
        return bool(self.by_host) or self.everywhere is not None

    def rewritten(self, host: str, path: str) -> str | None:
        """As `Mount.rewritten`, for the mount of `host`, whose port and case do not matter."""
        mount = self.by_host.get(host_name(host), self.everywhere) if self.by_host else self.everywhere
        return mount.rewritten(path) if mount else None


class Named(Protocol):
    """Settings by their names."""

    def __getitem__(self, name: str, /) -> Any: ...


def checked_routes(values: Named) -> RootRoutes:
    """The routes that the settings ask for, after every setting that names a dialect was looked at.

    Raises RoutingError.
    """
    routes = root_routes(values["ROOT_DIALECT"], values["DIALECT_HOSTS"])
    for pair in values["MEMORYHUB_CORS_DIALECTS"]:
        known_dialect(pair.partition("=")[0], "MEMORYHUB_CORS_DIALECTS")
    return routes


def root_routes(root_dialect: str, dialect_hosts: Sequence[str]) -> RootRoutes:
    """The routes that ROOT_DIALECT and DIALECT_HOSTS ask for. Raises RoutingError."""
    everywhere = _mount(root_dialect, "ROOT_DIALECT") if root_dialect else None
    by_host: dict[str, Mount] = {}
    for entry in dialect_hosts:
        name, separator, target = entry.partition("=")
        host = host_name(name.strip())
        if not separator or "/" in name or not HOST_NAME.fullmatch(host):
            raise RoutingError("DIALECT_HOSTS must be host=dialect:workspace, comma separated.")
        mount = _mount(target.strip(), "DIALECT_HOSTS")
        if host in by_host:
            raise RoutingError(
                f"DIALECT_HOSTS names {host} twice: their paths collide, so give each dialect its own host."
            )
        by_host[host] = mount
    return RootRoutes(by_host, everywhere)


def _mount(text: str, setting: str) -> Mount:
    if "," in text:
        raise RoutingError(
            f"{setting} takes one dialect for a root, since their paths collide: use DIALECT_HOSTS for more."
        )
    dialect, separator, slug = text.partition(":")
    if not separator or not SLUG.fullmatch(slug):
        raise RoutingError(f"{setting} must be dialect:workspace, such as memory-proxy:default.")
    check_collisions(dialect, known_dialect(dialect, setting))
    return Mount(dialect, slug)


def known_dialect(dialect: str, setting: str) -> RootShape:
    """The shape of a dialect that `setting` names. Raises RoutingError when there is none of that name."""
    if dialect not in ROOT_SHAPES:
        raise RoutingError(f"{setting} names an unknown dialect: known are {', '.join(sorted(ROOT_SHAPES))}.")
    return ROOT_SHAPES[dialect]


def check_collisions(dialect: str, shape: RootShape) -> None:
    """Raises RoutingError when a route of the dialect is an address of the hub itself."""
    for sample in shape.samples:
        if sample in OWN_PAGES or sample.startswith(OWN_PREFIXES):
            raise RoutingError(f"{dialect} cannot be mounted at a root: its {sample} is the hub's own address.")


def host_name(host: str) -> str:
    """The name in a Host header: lower case, without port and final dot."""
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


def without_path_token(path: str) -> tuple[str, str | None]:
    """The path with its `/t/{token}` segment cut out, and the token; the path as it is and None without one."""
    if "/coordinator/t/" not in path:
        return path, None
    match = PATH_TOKEN.fullmatch(path)
    return (match[1] + (match[3] or "/"), match[2]) if match else (path, None)


def decoded_path(path_info: str) -> str | None:
    """WSGI's latin-1 text as what the client sent; None unless it is UTF-8 without control characters.

    Source: PEP 3333, "Unicode Issues".
    """
    path = path_info
    if not path.isascii():
        try:
            path = path_info.encode("latin-1").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return None
    return None if CONTROL.search(path) else path
