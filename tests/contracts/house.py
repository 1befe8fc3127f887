"""One workspace as the contract tests meet it: over HTTP through the whole application, and as rows."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection

from apps.accounts.scopes import ADMIN_SCOPES
from apps.workspaces.models import Workspace
from memoryhub.edge import Edge, EdgeRules
from tests.contracts.openapi import Exchange, Operation, operations
from tests.contracts.situations import SITUATIONS, Situation
from tests.dialects.memory_proxy.proxy import client_at
from tests.factories import make_token, make_workspace

OURS = frozenset(
    {"accounts", "workspaces", "jobs", "blobs", "files", "snapshots", "federation", "operations", "dialects"}
)
UNSTEADY_HEADERS = frozenset({"x-request-id", "date"})
"""Headers that differ between two equal answers."""


@dataclass(frozen=True)
class House:
    """A workspace and a token for it."""

    workspace: Workspace
    token: str

    @classmethod
    def new(cls, slug: str, scopes: Iterable[str] = ADMIN_SCOPES) -> "House":
        workspace = make_workspace(slug)
        return cls(workspace, make_token(workspace, *scopes, name="laptop"))

    @classmethod
    def prepared(cls, operation: Operation, status: int | None = None) -> "House":
        """The workspace `default`, in which the operation's example has that documented answer, else the first."""
        situation = situation_of(operation, status)
        house = cls.new("default", situation.scopes)
        situation.prepare(house.workspace)
        return house

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row that belongs to the workspace."""
        return everything(OF_WORKSPACE, key=str(self.workspace.pk))

    def send(self, exchange: Exchange, *, token: str | None = None) -> httpx.Response:
        """The answer to a request with this house's token, or another."""
        with connection_kept(), client_at("", token or self.token) as client:
            return client.request(exchange.method, exchange.url, headers=exchange.headers, content=exchange.content)


@cache
def application_of_this_process() -> Edge:
    """What a web server would serve. One for all tests: each that has served a request has a thread that never ends."""
    return Edge(WSGIHandler(), EdgeRules())


@contextmanager
def connection_kept() -> Iterator[None]:
    """Requests inside leave the test's own connection, and with it its transaction, open, as Django's client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def situation_of(operation: Operation, status: int | None = None) -> Situation:
    rows = SITUATIONS[operation.id]
    return rows[status] if status else next(iter(rows.values()))


def documented_request(operation: Operation, status: int | None = None, **values: str) -> Exchange:
    """The example that has that documented answer, else the first; `values` in the place of parameters."""
    return operation.request(situation_of(operation, status).optional, values)


def documented_answers() -> list[tuple[Operation, int]]:
    """Every operation with each of its answers that are described one by one."""
    return [(operation, status) for operation in operations() for status in operation.statuses]


def steady(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer that two equal ones have in common."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in UNSTEADY_HEADERS]
    return answer.status_code, headers, answer.content


OF_WORKSPACE = "WHERE to_jsonb(t)->>'workspace_id' = %(key)s OR ((to_jsonb(t)->>'id')::bigint >> 40)::text = %(key)s"
"""By the key of the workspace or by change number."""


def everything(condition: str = "", **values: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours that meets the condition."""
    rows = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.app_label in OURS:
            with connection.cursor() as cursor:
                # As text, so that bytes and JSON compare as they are stored.
                cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t {condition} ORDER BY 1', values or None)
                rows[model._meta.label] = cursor.fetchall()
    return rows


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Fails when the block leaves any row of any workspace different from how it was."""
    before = everything()
    yield
    assert everything() == before
