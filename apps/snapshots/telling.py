"""How the copies of snapshots stand, in the words of the console."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.snapshots.alarms import Alarm
from apps.snapshots.plan_sql import StandingRow, standings

_ALARMS = {
    "copy_overdue": ("danger", "cloud_alert", "The newest copy in {target} is too old"),
    "upload_failing": ("danger", "cloud_off", "Uploads to {target} fail"),
    "copy_damaged": ("danger", "heart_broken", "Copies in {target} are damaged"),
    "delete_refused": ("warning", "auto_delete", "{target} lets nothing be deleted"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm of a workspace; `colour` is danger or warning."""

    colour: str
    icon: str
    text: str
    detail: str
    since: datetime
    workspace: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a workspace stands in the target that its policy names. `newest_at` is of its newest whole copy there."""

    workspace: str
    target: str
    newest_at: datetime | None
    text: str
    colour: str


def told(alarms: Sequence[Alarm]) -> list[Told]:
    """The worst first."""
    found = [_told(alarm) for alarm in alarms]
    return sorted(found, key=lambda each: (each.colour != "danger", each.workspace, each.text))


def _told(alarm: Alarm) -> Told:
    colour, icon, text = _ALARMS.get(alarm.kind, ("warning", "notifications_active", "{target} needs somebody"))
    return Told(colour, icon, text.format(target=alarm.target), alarm.detail, alarm.since, alarm.workspace)


def standing_in_targets(workspace_ids: Collection[int] | None = None) -> list[Standing]:
    """Of all workspaces or of some, the furthest behind first. One query."""
    rows = [row for row in standings() if workspace_ids is None or row.workspace_id in workspace_ids]
    return [_standing(row) for row in sorted(rows, key=_urgency)]


def _urgency(row: StandingRow) -> tuple[bool, bool, float]:
    behind = row.behind_since.timestamp() if row.behind_since is not None else 0.0
    return row.failing_since is None, row.behind_since is None, behind


def _standing(row: StandingRow) -> Standing:
    if row.failing_since is not None:
        words = ("uploads fail", "danger")
    elif row.is_uploading:
        words = ("uploading", "info")
    else:
        words = ("up to date", "success") if row.behind_since is None else ("behind", "default")
    return Standing(row.slug, row.target, row.newest_at, *words)
