"""The OpenAPI descriptions of the operations on targets, copies, restores and policies."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from apps.common.openapi import KEY, answer, body, listing
from apps.snapshots.api.forms import (
    CopyForm,
    PinForm,
    PolicyForm,
    RestoreCopyForm,
    RestoreIntoForm,
    RetentionForm,
    VerifyForm,
)
from apps.snapshots.api.schemas import AT, NAME, NAME_EXAMPLE, PATH_EXAMPLE, PREFIX

TARGET_NAME = "offsite"
RESTORE_ID = "019b8d84-6c43-7e52-9a1b-3d5f7c9e1a25"
JOB = "019b8d84-6c43-7e52-9a1b-3d5f7c9e1a26"
ACTOR = "token:0aB1cD2eF3gH"
TARGET_EXAMPLE: dict[str, Any] = {
    "name": TARGET_NAME,
    "kind": "directory",
    "is_encrypted": False,
    "checked_at": None,
    "can_write": None,
    "can_delete": None,
}
COPY_EXAMPLE: dict[str, Any] = {
    "id": "019b8d84-6c43-7e52-9a1b-3d5f7c9e1a24",
    "name": NAME_EXAMPLE,
    "target": TARGET_NAME,
    "snapshot": NAME_EXAMPLE,
    "kind": "manual",
    "state": "sealed",
    "files": 1,
    "size_bytes": 13,
    "new_bytes": 13,
    "reused_bytes": 0,
    "sent_bytes": 1102,
    "message": "the last state of the old layout",
    "tags": ["layout"],
    "is_ours": True,
    "is_pinned": False,
    "goes_since": None,
    "parent": None,
    "created_at": AT,
    "sealed_at": AT,
    "verified_at": None,
    "damage": None,
    "job": None,
}
ASKED_EXAMPLE = COPY_EXAMPLE | {"state": "uploading", "new_bytes": 0, "sent_bytes": 0, "sealed_at": None, "job": JOB}
VERIFYING_EXAMPLE: dict[str, Any] = {"job": JOB}
RESTORE_EXAMPLE: dict[str, Any] = {
    "id": RESTORE_ID,
    "state": "open",
    "source": f"{NAME_EXAMPLE} in {TARGET_NAME}",
    "prefix": "",
    "delete": False,
    "put": 0,
    "deleted": 0,
    "safety_snapshot": None,
    "error": None,
    "actor": ACTOR,
    "created_at": AT,
    "finished_at": None,
    "job": JOB,
}
POLICY_EXAMPLE: dict[str, Any] = {
    "target": TARGET_NAME,
    "schedule": "0 3 * * *",
    "timezone": "Europe/Oslo",
    "jitter_s": 600,
    "skip_unchanged": True,
    "next_run_at": "2026-01-06T02:04:11.000Z",
    "after_changes": False,
    "quiet_s": 30,
    "longest_s": 600,
    "restore_when_empty": True,
    "on_fork": "refuse",
    "verify_every_days": 7,
    "trial_every_days": 30,
    "alarm_after_hours": 48,
}
POLICY_CHANGES = {
    name: POLICY_EXAMPLE[name] for name in ("target", "schedule", "timezone", "jitter_s", "alarm_after_hours")
}
RETENTION_EXAMPLE: dict[str, Any] = {
    "keep_last": 0,
    "keep_hourly": 0,
    "keep_daily": 7,
    "keep_weekly": 4,
    "keep_monthly": 0,
    "keep_yearly": 0,
    "keep_within": "",
    "keep_tags": ["release"],
    "timezone": "UTC",
    "grace_hours": 24,
}
RETENTION_CHANGES = {name: RETENTION_EXAMPLE[name] for name in ("keep_daily", "keep_weekly", "keep_tags")}
VERDICT_EXAMPLE: dict[str, Any] = {
    "name": NAME_EXAMPLE,
    "created_at": AT,
    "is_kept": True,
    "reasons": ["the policy is empty"],
}

TARGET = OpenApiParameter(
    "target",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="The target's name.",
    examples=[OpenApiExample("a target", TARGET_NAME)],
)
OF_TARGET = OpenApiParameter("target", str, description="Of the copies in this target, instead of the snapshots.")
REFRESH = OpenApiParameter("refresh", bool, description="`true` lists the target first: copies of other hubs show.")
ID = OpenApiParameter(
    "restore_id",
    OpenApiTypes.UUID,
    OpenApiParameter.PATH,
    description="The restore's id.",
    examples=[OpenApiExample("a restore", RESTORE_ID)],
)

DELETE = OpenApiParameter("delete", bool, description="Also what would be deleted because it was not there then.")
PLAN_EXAMPLE: dict[str, Any] = {
    "put": 1,
    "deleted": 0,
    "is_cut": False,
    "changes": [{"path": PATH_EXAMPLE, "change": "put"}],
}

LIST_TARGETS = listing("targets_list", "copies", "Targets that the workspace may use, by name", TARGET_EXAMPLE)
LIST_COPIES = listing("copies_list", "copies", "Copies in a target, newest first", COPY_EXAMPLE, TARGET, REFRESH)


def _described(operation_id: str, responses: Any, *parameters: OpenApiParameter, **more: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"operation_id": operation_id, "tags": ["copies"], "responses": responses, **more}
    return described | ({"parameters": list(parameters)} if parameters else {})


CREATE_COPY = _described(
    "copies_create",
    answer(202, "The copy, on its way", ASKED_EXAMPLE),
    TARGET,
    KEY,
    request=CopyForm,
    examples=body({"snapshot": NAME_EXAMPLE}),
)
READ_COPY = _described("copies_read", answer(200, "The copy", COPY_EXAMPLE), TARGET, NAME)
PIN_COPY = _described(
    "copies_pin",
    answer(200, "The copy after the change", COPY_EXAMPLE | {"is_pinned": True}),
    TARGET,
    NAME,
    request=PinForm,
    examples=body({"is_pinned": True}),
)
DELETE_COPY = _described("copies_delete", {204: OpenApiResponse(description="Gone")}, TARGET, NAME)
VERIFY_COPY = _described(
    "copies_verify",
    answer(202, "The job that looks", VERIFYING_EXAMPLE),
    TARGET,
    NAME,
    request=VerifyForm,
    examples=body({"mode": "sample"}),
)
PREVIEW_COPY = _described(
    "copies_preview", answer(200, "What would change", PLAN_EXAMPLE), TARGET, NAME, PREFIX, DELETE
)
PREVIEW_SNAPSHOT = _described(
    "snapshots_preview", answer(200, "What would change", PLAN_EXAMPLE), NAME, PREFIX, DELETE
) | {"tags": ["snapshots"]}
RESTORE_COPY = _described(
    "copies_restore",
    answer(202, "The restore, on its way", RESTORE_EXAMPLE),
    TARGET,
    NAME,
    KEY,
    request=RestoreCopyForm,
    examples=body({"confirm": True}),
)
RESTORE_INTO = _described(
    "snapshots_restore",
    answer(202, "The restore, on its way", RESTORE_EXAMPLE | {"source": f"{NAME_EXAMPLE} of default"}),
    NAME,
    KEY,
    request=RestoreIntoForm,
    examples=body({"into": "default", "confirm": True}),
) | {"tags": ["snapshots"]}
LIST_RESTORES = listing(
    "restores_list", "snapshots", "Restores into the workspace, newest first", RESTORE_EXAMPLE | {"job": None}
)
READ_RESTORE = _described("restores_read", answer(200, "The restore", RESTORE_EXAMPLE), ID) | {"tags": ["snapshots"]}
READ_POLICY = _described("policy_read", answer(200, "The policy", POLICY_EXAMPLE))
CHANGE_POLICY = _described(
    "policy_update",
    answer(200, "The policy after the change", POLICY_EXAMPLE),
    request=PolicyForm,
    examples=body(POLICY_CHANGES),
)
READ_RETENTION = _described("retention_read", answer(200, "What is kept", RETENTION_EXAMPLE), OF_TARGET)
CHANGE_RETENTION = _described(
    "retention_update",
    answer(200, "What is kept after the change", RETENTION_EXAMPLE),
    OF_TARGET,
    request=RetentionForm,
    examples=body(RETENTION_CHANGES),
)
PREVIEW_RETENTION = _described(
    "retention_preview", answer(200, "Each snapshot, newest first", {"items": [VERDICT_EXAMPLE]}), OF_TARGET
)
