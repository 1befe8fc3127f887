"""The planner takes the right index, also for a new workspace that its statistics do not know.

The plans are those of the statements as the hub runs them, told by auto_explain, inside the change functions too.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from apps.blobs.content import Content
from apps.common.conditions import ANY, Condition
from apps.files import as_of_sql, browsing_sql, sql, upkeep_sql
from apps.files.changes import ChangeItem, Write
from apps.files.models import Origin
from apps.workspaces.models import Workspace
from tests.factories import make_workspace

OLD_FILES, NEW_FILES = 30_000, 3_000
TABLES = {"files_file", "files_fileversion", "files_changeset", "blobs_blob"}

FILL = """
INSERT INTO blobs_blob (workspace_id, sha256, md5, size_bytes, inline, created_at)
SELECT %(workspace)s, sha256(n::text::bytea), decode(md5(n::text), 'hex'), length(n::text), n::text::bytea, now()
  FROM generate_series(1, %(count)s) n;
INSERT INTO files_file (id, workspace_id, path, head, blob_id, sha256, md5, size_bytes, content_type, is_deleted,
                        changed_at)
SELECT %(base)s + n, %(workspace)s, 'folder' || n %% 100 || '/' || n || '.md', %(base)s + %(count)s + n, b.id,
       b.sha256, b.md5, b.size_bytes, 'text/plain', false, now()
  FROM generate_series(1, %(count)s) n
  JOIN blobs_blob b ON b.workspace_id = %(workspace)s AND b.sha256 = sha256(n::text::bytea);
INSERT INTO files_fileversion (id, file_id, blob_id, content_type, size_bytes, changed_at, parent)
SELECT id, id, blob_id, content_type, size_bytes, now(), NULL FROM files_file WHERE workspace_id = %(workspace)s
 UNION ALL
SELECT head, id, blob_id, content_type, size_bytes, now(), id FROM files_file WHERE workspace_id = %(workspace)s;
INSERT INTO files_changeset (id, last, origin, actor, message, put_count, delete_count, created_at)
SELECT %(base)s + n, %(base)s + n, 'put', 'x', '', 1, 0, now() FROM generate_series(1, 2 * %(count)s) n;
UPDATE workspaces_workspacecounter
   SET last_sequence = 2 * %(count)s, live_files = %(count)s,
       (live_bytes, stored_bytes) =
       (SELECT sum(size_bytes), sum(size_bytes) FROM blobs_blob WHERE workspace_id = %(workspace)s)
 WHERE workspace_id = %(workspace)s;
"""


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[Workspace]:
    """The new workspace, filled after the last ANALYZE, beside a big old one. In one transaction, never committed."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        old = make_workspace()
        fill(old, OLD_FILES)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE files_file, files_fileversion, files_changeset, blobs_blob")
        new = make_workspace()
        fill(new, NEW_FILES)
        connection.check_constraints()  # Now, once: otherwise the end of each test does it again.
        yield new
        transaction.set_rollback(True)


def fill(workspace: Workspace, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"workspace": workspace.pk, "base": workspace.pk << 40, "count": count})


@contextmanager
def explained(mode: str) -> Iterator[list[dict[str, Any]]]:
    """The plans of all statements of the block, also those inside functions."""
    plans: list[dict[str, Any]] = []

    def note(message: Any) -> None:
        text = message.message_primary
        if text.startswith("duration:"):
            plans.append(json.loads(text[text.index("{") :]))

    raw = connection.connection
    with connection.cursor() as cursor:
        cursor.execute("LOAD 'auto_explain'")
        cursor.execute(
            "SELECT set_config('auto_explain.log_min_duration', '0', true),"
            " set_config('auto_explain.log_nested_statements', 'on', true),"
            " set_config('auto_explain.log_format', 'json', true), set_config('plan_cache_mode', %s, true),"
            " set_config('client_min_messages', 'log', true)",
            [mode],
        )
        raw.add_notice_handler(note)
        try:
            yield plans
        finally:
            # The server tells the last plan only when the next statement takes its place.
            cursor.execute("SELECT set_config('auto_explain.log_min_duration', '-1', true)")
            raw.remove_notice_handler(note)
            cursor.execute("SELECT set_config('client_min_messages', 'notice', true)")


def accesses(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, index) of each scan; the index is the node's name where there is none."""
    node = plan.get("Plan", plan)
    if "Index Name" in node and "Relation Name" in node:
        yield node["Relation Name"], node["Index Name"]
    elif node["Node Type"] == "Bitmap Heap Scan":
        yield node["Relation Name"], node["Plans"][0].get("Index Name", "Bitmap")
        return
    elif "Relation Name" in node and node["Node Type"] != "ModifyTable":
        yield node["Relation Name"], node["Node Type"]
    for inner in node.get("Plans", []):
        yield from accesses(inner)


PATH, KEY, HEAD = "file_path_once_per_workspace", "files_file_pkey", "files_file_head_key"
OF_FILE, VERSION_KEY, OF_BLOB = "fileversion_file", "files_fileversion_pkey", "fileversion_blob"
BLOB_KEY, SHA256, SET_KEY = "blobs_blob_pkey", "blob_once_per_workspace", "files_changeset_pkey"

HEAD_LOOKUP = {("files_file", PATH), ("blobs_blob", BLOB_KEY)}
WRITE = {("files_file", PATH), ("blobs_blob", SHA256)}


def put(workspace: Workspace, number: int) -> None:
    item = ChangeItem(f"folder1/new{number}.md", ANY, Content.of_bytes(b"new %d" % number), "text/plain")
    sql.apply_change(workspace.pk, Write(item, Origin.PUT, "x"))


def replace(workspace: Workspace, number: int) -> None:
    path = f"folder{number % 100}/{number}.md"
    item = ChangeItem(path, ANY, Content.of_bytes(b"other %d" % number), "text/plain")
    change = sql.apply_change(workspace.pk, Write(item, Origin.PUT, "x"))
    assert change.status == "updated"


def delete(workspace: Workspace, number: int) -> None:
    number += 1000
    item = ChangeItem(f"folder{number % 100}/{number}.md", ANY)
    change = sql.apply_change(workspace.pk, Write(item, Origin.PUT, "x"))
    assert change.status == "deleted"


def refuse(workspace: Workspace, number: int) -> None:
    item = ChangeItem("folder1/1.md", Condition.at_version(7), Content.of_bytes(b"x"), "x/y")
    change = sql.apply_change(workspace.pk, Write(item, Origin.PUT, "x"))
    assert change.status == "precondition_failed"


def batch(workspace: Workspace, number: int) -> None:
    items = [
        ChangeItem(f"folder1/batch{number}-{n}.md", ANY, Content.of_bytes(b"batch %d %d" % (number, n)), "text/plain")
        for n in range(3)
    ]
    sql.apply_changes(
        workspace.pk, items, all_or_nothing=False, always=False, origin=Origin.SYNC, actor="x", message=""
    )


STATEMENTS: dict[str, tuple[Callable[[Workspace, int], Any], set[tuple[str, str]]]] = {
    "put": (put, WRITE),
    "replace": (replace, WRITE | {("files_file", KEY)}),
    "delete": (delete, {("files_file", PATH), ("files_file", KEY)}),
    "refuse": (refuse, {("files_file", PATH)}),
    "batch": (batch, WRITE),
    "head": (lambda w, n: sql.head_row(w.pk, f"folder{n}/{n}.md"), HEAD_LOOKUP),
    "head that never was": (lambda w, n: sql.head_row(w.pk, f"never{n}"), HEAD_LOOKUP),
    "heads": (lambda w, n: sql.head_rows(w.pk, [f"folder{m}/{m}.md" for m in range(1, 90)]), HEAD_LOOKUP),
    "version": (
        lambda w, n: sql.version_row(w.pk, "folder7/7.md", 7),
        {("files_file", PATH), ("files_fileversion", VERSION_KEY), ("blobs_blob", BLOB_KEY)},
    ),
    "changes": (lambda w, n: sql.change_rows(w.pk, 2 * NEW_FILES - 10, 2 * NEW_FILES, 100), {("files_file", HEAD)}),
    "index": (lambda w, n: list(sql.index_pages(w.pk, "", False)), {("files_file", PATH)}),
    "index of a folder": (lambda w, n: list(sql.index_pages(w.pk, "folder7/", True)), {("files_file", PATH)}),
    "history": (
        lambda w, n: sql.history_rows(w.pk, "folder7/7.md", None, 100),
        {("files_file", PATH), ("files_fileversion", OF_FILE), ("blobs_blob", BLOB_KEY), ("files_changeset", SET_KEY)},
    ),
    "folder": (
        lambda w, n: browsing_sql.folder_rows(w.pk, "", "", tombstones=False, limit=50),
        {("files_file", PATH)},
    ),
    "counts of folders": (lambda w, n: browsing_sql.folder_counts(w.pk, "folder7/"), {("files_file", PATH)}),
    "digests": (lambda w, n: browsing_sql.digest_rows(w.pk, "folder7/", 50), {("files_file", PATH)}),
    "search": (
        lambda w, n: browsing_sql.search_rows(w.pk, "77", "", tombstones=False, limit=50),
        {("files_file", PATH)},
    ),
    "latest change sets": (
        lambda w, n: browsing_sql.change_set_rows(w.pk, None, 50),
        {("files_changeset", SET_KEY)},
    ),
    "as of": (
        lambda w, n: as_of_sql.as_of_rows(w.pk, NEW_FILES + 500, after="", end="", limit=200),
        {("files_file", PATH), ("files_fileversion", OF_FILE), ("blobs_blob", BLOB_KEY)},
    ),
    "differences": (
        lambda w, n: as_of_sql.difference_rows(w.pk, 2 * NEW_FILES - 20, 2 * NEW_FILES, after="", end="", limit=200),
        {
            ("files_fileversion", VERSION_KEY),
            ("files_fileversion", OF_FILE),
            ("files_file", KEY),
            ("blobs_blob", BLOB_KEY),
        },
    ),
    "superseded": (
        lambda w, n: upkeep_sql.versions_with_successors(w.pk, after=0, cutoff=2 * NEW_FILES, limit=500),
        {("files_fileversion", VERSION_KEY), ("files_fileversion", OF_FILE)},
    ),
    "tombstones": (
        lambda w, n: upkeep_sql.bare_tombstones(w.pk, after=0, cutoff=2 * NEW_FILES, limit=500),
        {("files_file", HEAD), ("files_fileversion", OF_FILE)},
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_takes_its_indexes(filled: Workspace, name: str, mode: str) -> None:
    statement, wanted = STATEMENTS[name]

    with explained(mode) as plans:
        for number in range(1, 9):
            statement(filled, number)

    taken = {access for plan in plans for access in accesses(plan) if access[0] in TABLES}
    assert taken == wanted


@pytest.mark.django_db
def test_a_second_index_that_begins_with_the_workspace_misleads_the_planner(filled: Workspace) -> None:
    """Why there is none, and that these tests would notice one."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX files_file_changed ON files_file (workspace_id, head)")

    with explained("force_custom_plan") as plans:
        sql.head_row(filled.pk, "folder1/1.md")

    assert ("files_file", "files_file_changed") in {access for plan in plans for access in accesses(plan)}
