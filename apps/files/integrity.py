"""Proves the state of the hub: every version has its bytes, numbers and sums agree, nothing is stuck."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection, transaction

from apps.blobs.errors import BlobCorrupt
from apps.blobs.models import Blob
from apps.blobs.objects import object_size, read_object
from apps.common.errors import DomainError, Unavailable
from apps.files.models import FileVersion
from apps.files.sql import SEQUENCE_MASK
from apps.jobs.queries import last_tick, stuck_jobs
from apps.workspaces.models import Workspace

AT_ONCE = 500
THREADS = 4
MOST_SHOWN = 100
PATHS_SHOWN = 3

# Each statement selects what is wrong: a workspace and what there is to say about it.
_CHECKS = {
    "head_is_newest_version": """
        SELECT f.workspace_id, f.path FROM files_file f
          LEFT JOIN LATERAL (
               SELECT id, blob_id FROM files_fileversion v WHERE v.file_id = f.id ORDER BY id DESC LIMIT 1) v ON true
         WHERE v.id IS DISTINCT FROM f.head OR v.blob_id IS DISTINCT FROM f.blob_id""",
    "head_describes_its_blob": """
        SELECT f.workspace_id, f.path FROM files_file f JOIN blobs_blob b ON b.id = f.blob_id
         WHERE (f.sha256, f.md5, f.size_bytes, f.workspace_id)
               IS DISTINCT FROM (b.sha256, b.md5, b.size_bytes, b.workspace_id)""",
    "version_belongs_to_its_workspace": """
        SELECT v.id >> 40, v.id & 1099511627775 FROM files_fileversion v JOIN files_file f ON f.id = v.file_id
         WHERE v.id >> 40 <> f.workspace_id""",
    "version_describes_its_blob": """
        SELECT f.workspace_id, v.id & 1099511627775
          FROM files_fileversion v JOIN files_file f ON f.id = v.file_id JOIN blobs_blob b ON b.id = v.blob_id
         WHERE (v.size_bytes, f.workspace_id) IS DISTINCT FROM (b.size_bytes, b.workspace_id)""",
    "rows_have_their_workspace": """
        SELECT r.workspace_id, r.kind
          FROM (SELECT DISTINCT workspace_id, 'files' AS kind FROM files_file
                UNION ALL SELECT DISTINCT workspace_id, 'blobs' FROM blobs_blob
                UNION ALL SELECT id, 'counter' FROM workspaces_workspace) r
         WHERE NOT EXISTS (SELECT FROM workspaces_workspacecounter c WHERE c.workspace_id = r.workspace_id)""",
    "version_has_a_change_set": """
        SELECT v.id >> 40, v.id & 1099511627775 FROM files_fileversion v
          LEFT JOIN LATERAL (SELECT last FROM files_changeset s WHERE s.id <= v.id ORDER BY s.id DESC LIMIT 1) s ON true
         WHERE s.last IS NULL OR s.last < v.id""",
    "change_sets_do_not_overlap": """
        SELECT s.id >> 40, s.id & 1099511627775
          FROM (SELECT id, lag(last) OVER (ORDER BY id) AS before FROM files_changeset) s WHERE s.before >= s.id""",
    "change_set_counts_agree": """
        SELECT id >> 40, id & 1099511627775 FROM files_changeset WHERE put_count + delete_count <> last - id + 1""",
    "sequence_is_ahead_of_all_versions": """
        SELECT c.workspace_id, c.last_sequence FROM workspaces_workspacecounter c
         WHERE EXISTS (SELECT FROM files_changeset s WHERE s.last > (c.workspace_id << 40 | c.last_sequence)
                                                       AND s.last < (c.workspace_id + 1) << 40)""",
    "live_counters_agree": """
        SELECT c.workspace_id, c.live_files FROM workspaces_workspacecounter c
          LEFT JOIN (SELECT workspace_id, count(*) AS files, sum(size_bytes) AS size_bytes
                       FROM files_file WHERE NOT is_deleted GROUP BY workspace_id) f USING (workspace_id)
         WHERE (c.live_files, c.live_bytes) IS DISTINCT FROM (coalesce(f.files, 0), coalesce(f.size_bytes, 0))""",
    "stored_counter_agrees": """
        SELECT c.workspace_id, c.stored_bytes FROM workspaces_workspacecounter c
          LEFT JOIN (SELECT workspace_id, sum(size_bytes) AS size_bytes FROM blobs_blob GROUP BY workspace_id) b
              USING (workspace_id)
         WHERE c.stored_bytes IS DISTINCT FROM coalesce(b.size_bytes, 0)""",
    "objects_are_not_about_to_be_deleted": """
        SELECT b.workspace_id, b.object_key
          FROM blobs_blob b JOIN blobs_objectintent i ON i.object_key = b.object_key""",
    # The sweep takes them after a day, whether their upload failed or collection let them go.
    "orphans_are_swept": """
        SELECT 0, object_key FROM blobs_objectintent
         WHERE created_at < (SELECT coalesce(max(at), now()) FROM jobs_tick) - interval '48 hours'""",
    "checkpoints_are_not_ahead": """
        SELECT p.workspace_id, p.consumer FROM files_feedcheckpoint p
          LEFT JOIN workspaces_workspacecounter c USING (workspace_id)
         WHERE p.sequence > coalesce(c.last_sequence, 0)""",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `what` names it: a path, a version, an object key, a sha256.

    `workspace` is a slug; empty where there is none, or where the row names a workspace that does not exist.
    """

    check: str
    workspace: str
    what: str
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What was looked at and found. `could_not_check` holds reasons why a part was left out."""

    checks: int = 0
    blobs: int = 0
    bytes_read: int = 0
    damage: list[Finding] = field(default_factory=list)
    damage_count: int = 0
    could_not_check: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 damage, 2 something could not be checked (and what could be is clean)."""
        if self.damage_count:
            return 1
        return 2 if self.could_not_check else 0

    def add(self, finding: Finding) -> None:
        """Counts a finding; the first hundred are kept."""
        self.damage_count += 1
        if len(self.damage) < MOST_SHOWN:
            self.damage.append(finding)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"exit_code": self.exit_code}


def check(*, read_data: bool, progress: Callable[[int], None] = lambda done: None) -> Report:
    """Checks every workspace: rows against each other, each object's presence and size, with `read_data` every byte.

    Reads only. Meant to run beside a working hub: each statement sees one moment.
    """
    report = Report()
    slugs = dict(Workspace.objects.values_list("pk", "slug"))
    for name, statement in _CHECKS.items():
        with transaction.atomic(), connection.cursor() as cursor:
            # A check of all rows takes as long as it takes.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(statement)
            for workspace_id, what in cursor:
                report.add(Finding(name, slugs.get(workspace_id, ""), str(what)))
        report.checks += 1
    _check_jobs(report, slugs)
    _check_blobs(report, slugs, read_data=read_data, progress=progress)
    return report


def _check_jobs(report: Report, slugs: Mapping[int, str]) -> None:
    """Judged as of the last tick: while a hub is down, or is a restored copy, all its work waits and none is stuck."""
    for job in stuck_jobs(now=last_tick()).iterator():
        slug = slugs.get(job.workspace_id or 0, "")
        report.add(Finding("jobs_are_not_stuck", slug, job.kind, f"{job.state}, {job.public_id}"))
    report.checks += 1


def _check_blobs(report: Report, slugs: Mapping[int, str], *, read_data: bool, progress: Callable[[int], None]) -> None:
    away: set[str] = set()
    with ThreadPoolExecutor(THREADS) as pool:
        for blobs in _pages():
            for blob, problem in zip(
                blobs, pool.map(lambda blob: _problem(blob, read_data=read_data), blobs), strict=True
            ):
                report.blobs += 1
                report.bytes_read += blob.size_bytes if read_data else 0
                if isinstance(problem, Unavailable):
                    away.add(problem.detail or problem.title)
                elif problem is not None and _is_as_it_was(blob):
                    report.add(_damaged(blob, slugs.get(blob.workspace_id, ""), problem.detail))
            progress(report.blobs)
    report.could_not_check.extend(sorted(away))


def _damaged(blob: Blob, slug: str, detail: str) -> Finding:
    """Names some of the paths that lose a version with the blob, newest first."""
    versions = FileVersion.objects.filter(blob_id=blob.pk).select_related("file").order_by("-id")[:PATHS_SHOWN]
    places = ", ".join(f"{version.file.path} at version {version.pk & SEQUENCE_MASK}" for version in versions)
    return Finding("blob_has_its_bytes", slug, bytes(blob.sha256).hex(), f"{detail} {places or 'No file has it.'}")


def _is_as_it_was(blob: Blob) -> bool:
    """Whether the row still says what was checked: it may have been collected meanwhile, and its object swept."""
    return Blob.objects.filter(pk=blob.pk, object_key=blob.object_key).exists()


def _pages() -> Iterator[list[Blob]]:
    last = 0
    while page := list(Blob.objects.filter(id__gt=last).order_by("id")[:AT_ONCE]):
        yield page
        last = page[-1].id


def _problem(blob: Blob, *, read_data: bool) -> DomainError | None:
    """What is wrong with the bytes of a blob, in the row and in storage."""
    try:
        if blob.inline is not None and not _is_right(blob, [bytes(blob.inline)]):
            return BlobCorrupt("The bytes in the row do not have their sha256.")
        if blob.object_key is None:
            return None
        size_bytes = object_size(blob.object_key)
        if size_bytes != blob.size_bytes:
            return BlobCorrupt(f"The object has {size_bytes} bytes instead of {blob.size_bytes}.")
        if read_data and not _is_right(blob, read_object(blob.object_key, 0, blob.size_bytes)):
            return BlobCorrupt("The object's bytes do not have their sha256.")
    except DomainError as error:
        return error
    return None


def _is_right(blob: Blob, chunks: Any) -> bool:
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.digest() == bytes(blob.sha256) and size_bytes == blob.size_bytes
