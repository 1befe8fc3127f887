"""The servers that a hub runs for itself: PostgreSQL and Valkey, as far as the operator's settings leave them to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from memoryhub.embedded import accounts
from memoryhub.embedded.binaries import find_postgres, find_valkey, within_reach
from memoryhub.embedded.choices import DATABASE_PASSWORD, Choices, kept_secret
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import HubLock, Layout
from memoryhub.embedded.postgres import Cluster, new_password
from memoryhub.embedded.valkey import Valkey


@dataclass(frozen=True, slots=True)
class Backends:
    """A server is None where the operator's own is used. `valkey_origin` says where its program was found."""

    cluster: Cluster | None
    valkey: Valkey | None
    valkey_origin: str

    @property
    def database_url(self) -> str | None:
        return self.cluster.url() if self.cluster is not None else None

    @property
    def redis_url(self) -> str | None:
        return self.valkey.url() if self.valkey is not None else None


def choose_backends(layout: Layout, choices: Choices, environment: Mapping[str, str]) -> Backends:
    """Finds programs and makes directories; starts nothing. Raises HubError where something is missing."""
    named = _with_paths(environment, choices)
    cluster = valkey = None
    origin = ""
    if choices.own_database:
        account = accounts.for_postgres()
        programs = within_reach(find_postgres(named), account)
        data = layout.cluster_place(account, programs.major)
        sockets = layout.postgres_sockets(account, data.parent)
        cluster = Cluster(programs, account, data, sockets, kept_secret(layout, DATABASE_PASSWORD, new_password))
    if choices.own_redis:
        program, origin = find_valkey(named)
        valkey = Valkey(program, accounts.current(), layout.valkey_sockets())
    return Backends(cluster, valkey, origin)


def lock_cluster(cluster: Cluster, layout: Layout) -> HubLock | None:
    """A second lock, where the cluster lies outside: a copied data directory must not start it twice."""
    if cluster.data.parent == layout.data:
        return None
    lock = HubLock(cluster.data.parent / "hub.lock")
    if not lock.acquire():
        raise HubError(
            f"{layout.cluster_record} names {cluster.data.parent}, which a hub of another data directory is using: "
            f"{layout.data} is a copy of that one. Remove {layout.cluster_record} from the copy to start it empty."
        )
    return lock


def _with_paths(environment: Mapping[str, str], choices: Choices) -> dict[str, str]:
    """The environment with the programs that the `.env` file may name."""
    named = {name: str(choices.given[name]) for name in ("MEMORYHUB_PG_BINDIR", "MEMORYHUB_VALKEY_SERVER")}
    return {**environment, **{name: value for name, value in named.items() if value}}
