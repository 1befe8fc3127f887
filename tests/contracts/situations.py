"""What has to be there before an operation's example can be replayed: one row for each documented answer.

An operation, or an answer of one, that is described and has no row here fails the suite.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import connection
from django.utils import timezone

from apps.accounts.actors import Actor
from apps.accounts.models import ApiToken
from apps.accounts.scopes import ADMIN_SCOPES
from apps.blobs.content import Content
from apps.common.conditions import ANY
from apps.federation.actions import push_summary
from apps.federation.api.schemas import AGENT_ID, PEER_NAME, PEER_SENT, SUMMARY_SENT
from apps.federation.peers import create_peer
from apps.federation.summaries import Summary
from apps.files.actions import delete_file, put_file
from apps.files.api.schemas import BODY_EXAMPLE, PATH_EXAMPLE
from apps.jobs import endpoints
from apps.jobs.actions import DELIVER, enqueue
from apps.jobs.api.schemas import JOB_EXAMPLE, JOB_ID, WEBHOOK_EXAMPLE, WEBHOOK_ID
from apps.jobs.models import Job, JobState, WebhookEndpoint
from apps.jobs.running import run_job
from apps.snapshots.actions import create_snapshot
from apps.snapshots.api.copy_schemas import POLICY_CHANGES, RESTORE_ID, RETENTION_CHANGES, TARGET_NAME
from apps.snapshots.api.schemas import SNAPSHOT_EXAMPLE
from apps.snapshots.copies import open_job, request_upload
from apps.snapshots.models import RemoteTarget, Restore
from apps.snapshots.policies import set_policy, set_retention
from apps.snapshots.queries import copies_of, snapshot_of
from apps.snapshots.restores import request_restore
from apps.snapshots.targets import add_target, target_named
from apps.workspaces import actions
from apps.workspaces.api.schemas import IDENTITY_EXAMPLE, MEMBER_EXAMPLE, REACH_EXAMPLE, TOKEN_EXAMPLE
from apps.workspaces.models import Workspace
from tests.factories import make_member, make_user
from tests.services import passed_on

ACTOR = Actor("token:0aB1cD2eF3gH")
Preparation = Callable[[Workspace], object]


@dataclass(frozen=True, slots=True)
class Situation:
    """How to prepare the workspace, and which optional parameters the example sends."""

    prepare: Preparation
    optional: tuple[str, ...] = ()
    scopes: tuple[str, ...] = tuple(sorted(ADMIN_SCOPES))
    """Of the token that asks."""


def nothing(workspace: Workspace) -> None:
    """An empty workspace will do."""


def a_file(workspace: Workspace) -> None:
    content = Content.of_bytes(BODY_EXAMPLE.encode())
    put_file(workspace, PATH_EXAMPLE, content, condition=ANY, content_type="text/markdown", actor=ACTOR)


def another_file(workspace: Workspace) -> None:
    put_file(workspace, PATH_EXAMPLE, Content.of_bytes(b"Hello"), condition=ANY, content_type="text/plain", actor=ACTOR)


def a_named_workspace(workspace: Workspace) -> None:
    actions.update_workspace_settings(workspace, {"name": "Everything"}, actor=ACTOR)
    a_file(workspace)


def a_token(workspace: Workspace) -> None:
    token, _text = actions.issue_workspace_token(
        workspace, name=TOKEN_EXAMPLE["name"], scopes=TOKEN_EXAMPLE["scopes"], actor=ACTOR
    )
    ApiToken.objects.filter(pk=token.pk).update(public_id=TOKEN_EXAMPLE["id"])


def a_user(workspace: Workspace) -> None:
    make_user(MEMBER_EXAMPLE["username"])


def a_member(workspace: Workspace) -> None:
    make_member(workspace, MEMBER_EXAMPLE["role"], MEMBER_EXAMPLE["username"])


def an_audited_member(workspace: Workspace) -> None:
    user = make_user(MEMBER_EXAMPLE["username"])
    with structlog.contextvars.bound_contextvars(request_id=JOB_EXAMPLE["request_id"]):
        actions.set_member(workspace, user, MEMBER_EXAMPLE["role"], actor=ACTOR)


def an_identity(workspace: Workspace) -> None:
    known = {name: IDENTITY_EXAMPLE[name] for name in ("provider", "subject", "scopes")}
    actions.add_identity(workspace, **known, actor=ACTOR)


def a_job(workspace: Workspace) -> None:
    job = enqueue(DELIVER, "nobody", workspace_id=workspace.pk, actor="system", request_id=JOB_EXAMPLE["request_id"])
    Job.objects.filter(pk=job.pk).update(public_id=JOB_ID)


def a_failed_job(workspace: Workspace) -> None:
    a_job(workspace)
    Job.objects.filter(public_id=JOB_ID).update(
        state=JobState.FAILED,
        finished_at=timezone.now(),
        attempts=20,
        error_code="transient",
        error_detail="No answer.",
    )


def a_webhook(workspace: Workspace) -> WebhookEndpoint:
    known = {name: WEBHOOK_EXAMPLE[name] for name in ("url", "events")}
    endpoint, _secret = endpoints.create_endpoint(workspace.pk, **known, actor=ACTOR)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(public_id=WEBHOOK_ID)
    return endpoint


def a_delivery(workspace: Workspace) -> None:
    endpoints.send_test(a_webhook(workspace))


def a_snapshot(workspace: Workspace) -> None:
    a_file(workspace)
    create_snapshot(workspace, **{name: SNAPSHOT_EXAMPLE[name] for name in ("name", "message", "tags")}, actor=ACTOR)


def a_deletion_since(workspace: Workspace) -> None:
    a_snapshot(workspace)
    delete_file(workspace, PATH_EXAMPLE, condition=ANY, actor=ACTOR)


def a_target(workspace: Workspace, name: str = TARGET_NAME) -> RemoteTarget:
    """Of this workspace alone, in a directory of its own."""
    services = passed_on()
    assert services is not None
    options = {"directory": tempfile.mkdtemp(prefix="target-", dir=services["directory"])}
    return add_target(name, kind="directory", options=options, workspace=workspace, actor=ACTOR)


def a_snapshot_and_a_target(workspace: Workspace) -> None:
    a_snapshot(workspace)
    a_target(workspace)


def a_copy(workspace: Workspace) -> None:
    a_snapshot(workspace)
    upload(workspace, SNAPSHOT_EXAMPLE["name"], a_target(workspace))


def a_copy_and_a_deletion_since(workspace: Workspace) -> None:
    a_copy(workspace)
    delete_file(workspace, PATH_EXAMPLE, condition=ANY, actor=ACTOR)


def upload(workspace: Workspace, name: str, target: RemoteTarget) -> None:
    copy = request_upload(workspace, snapshot_of(workspace.pk, name), target, actor=ACTOR)
    job = open_job(copy)
    assert job is not None
    assert run_job(job.pk) == "succeeded"


def another_copy(workspace: Workspace) -> None:
    create_snapshot(workspace, name="second", actor=ACTOR)
    upload(workspace, "second", target_named(TARGET_NAME))


def another_restore(workspace: Workspace) -> None:
    Job.objects.filter(workspace=workspace).delete()
    request_restore(workspace, copy=copies_of(workspace.pk).get(), actor=ACTOR)


def a_restore(workspace: Workspace) -> None:
    a_copy(workspace)
    restore = request_restore(workspace, copy=copies_of(workspace.pk).get(), actor=ACTOR)
    Restore.objects.filter(pk=restore.pk).update(public_id=RESTORE_ID)
    Job.objects.filter(subject=str(restore.public_id)).update(subject=RESTORE_ID)


def a_policy(workspace: Workspace) -> None:
    a_target(workspace)
    set_policy(workspace, POLICY_CHANGES, actor=ACTOR)


def a_pushed_summary(workspace: Workspace) -> None:
    sent = SUMMARY_SENT
    summary = Summary.of(
        sent["agent_id"],
        sent["timestamp"],
        topics=sent["topic_counts"],
        labels=sent["fact_hashes"],
        metadata=sent["metadata"],
    )
    # By the token that asks then.
    asking = ApiToken.objects.filter(grants__workspace=workspace).latest("pk")
    push_summary(workspace, summary, actor=Actor(f"token:{asking.public_id}"))
    # Its summaries and its part of the view know it by this key.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("UPDATE federation_summary SET agent_id = %s", [AGENT_ID])
        cursor.execute("UPDATE federation_agent SET id = %s", [AGENT_ID])


def a_peer(workspace: Workspace) -> None:
    create_peer(workspace, PEER_NAME, {name: PEER_SENT[name] for name in PEER_SENT if name != "name"}, actor=ACTOR)


def a_rule(workspace: Workspace) -> None:
    set_retention(workspace, None, RETENTION_CHANGES, actor=ACTOR)


SITUATIONS: dict[str, dict[int, Situation]] = {
    "agents_list": {200: Situation(a_pushed_summary)},
    "agents_read": {200: Situation(a_pushed_summary)},
    "agents_withdraw": {204: Situation(a_pushed_summary)},
    "audit_list": {200: Situation(an_audited_member, ("action",))},
    "copies_create": {202: Situation(a_snapshot_and_a_target)},
    "copies_delete": {204: Situation(a_copy)},
    "copies_list": {200: Situation(a_copy)},
    "copies_pin": {200: Situation(a_copy)},
    "copies_preview": {200: Situation(a_copy_and_a_deletion_since)},
    "copies_read": {200: Situation(a_copy)},
    "copies_restore": {202: Situation(a_copy)},
    "copies_verify": {202: Situation(a_copy)},
    "federation_changes": {200: Situation(a_pushed_summary)},
    "federation_read": {200: Situation(a_pushed_summary)},
    "federation_reset": {200: Situation(a_pushed_summary)},
    "federation_update": {200: Situation(a_pushed_summary)},
    "files_changes": {200: Situation(a_file), 304: Situation(a_file, ("If-None-Match",))},
    "files_copy": {200: Situation(a_file)},
    "files_delete": {200: Situation(a_file, ("If-Match",))},
    "files_get_many": {200: Situation(a_file)},
    "files_head": {200: Situation(a_file), 304: Situation(a_file, ("If-None-Match",))},
    "files_history": {200: Situation(a_file)},
    "files_index": {200: Situation(a_file), 304: Situation(a_file, ("If-None-Match",))},
    "files_move": {200: Situation(a_file)},
    "files_purge": {200: Situation(a_file)},
    "files_put_many": {200: Situation(nothing), 412: Situation(a_file, ("mode",))},
    "files_read": {
        200: Situation(a_file),
        206: Situation(a_file, ("Range",)),
        304: Situation(a_file, ("If-None-Match",)),
    },
    "files_revert": {200: Situation(a_file)},
    "files_write": {201: Situation(nothing, ("If-None-Match",)), 200: Situation(another_file, ("If-Match",))},
    "identities_add": {201: Situation(nothing)},
    "identities_list": {200: Situation(an_identity)},
    "identities_remove": {204: Situation(an_identity)},
    "jobs_cancel": {200: Situation(a_job)},
    "jobs_list": {200: Situation(a_job)},
    "jobs_read": {200: Situation(a_job)},
    "jobs_retry": {200: Situation(a_failed_job)},
    "labels_list": {200: Situation(a_pushed_summary), 304: Situation(a_pushed_summary, ("If-None-Match",))},
    "me": {200: Situation(nothing, scopes=tuple(TOKEN_EXAMPLE["scopes"]))},
    "members_list": {200: Situation(a_member)},
    "members_remove": {204: Situation(a_member)},
    "members_set": {200: Situation(a_user)},
    "peers_create": {201: Situation(nothing)},
    "peers_delete": {204: Situation(a_peer)},
    "peers_exchange": {202: Situation(a_peer)},
    "peers_list": {200: Situation(a_peer)},
    "peers_read": {200: Situation(a_peer)},
    "peers_update": {200: Situation(a_peer)},
    "policy_read": {200: Situation(a_policy)},
    "policy_update": {200: Situation(a_target)},
    "restores_create": {200: Situation(a_deletion_since)},
    "restores_list": {200: Situation(a_restore)},
    "restores_read": {200: Situation(a_restore)},
    "retention_preview": {200: Situation(a_snapshot)},
    "retention_read": {200: Situation(a_rule)},
    "retention_update": {200: Situation(nothing)},
    "snapshots_changes": {200: Situation(a_deletion_since)},
    "snapshots_create": {201: Situation(a_file)},
    "snapshots_delete": {204: Situation(a_snapshot)},
    "snapshots_files": {200: Situation(a_snapshot)},
    "snapshots_list": {200: Situation(a_snapshot)},
    "snapshots_pin": {200: Situation(a_snapshot)},
    "snapshots_preview": {200: Situation(a_deletion_since)},
    "snapshots_read": {200: Situation(a_snapshot)},
    "snapshots_restore": {202: Situation(a_snapshot)},
    "summaries_list": {200: Situation(a_pushed_summary)},
    "summaries_push": {201: Situation(nothing), 200: Situation(a_pushed_summary)},
    "targets_list": {200: Situation(a_target)},
    "topics_list": {200: Situation(a_pushed_summary), 304: Situation(a_pushed_summary, ("If-None-Match",))},
    "tokens_issue": {201: Situation(nothing)},
    "tokens_list": {200: Situation(a_token)},
    "tokens_revoke": {204: Situation(a_token)},
    "webhooks_create": {201: Situation(nothing)},
    "webhooks_delete": {204: Situation(a_webhook)},
    "webhooks_deliveries": {200: Situation(a_delivery)},
    "webhooks_list": {200: Situation(a_webhook)},
    "webhooks_read": {200: Situation(a_webhook)},
    "webhooks_test": {202: Situation(a_webhook)},
    "webhooks_update": {200: Situation(a_webhook)},
    "workspaces_archive": {204: Situation(nothing)},
    "workspaces_list": {200: Situation(nothing, scopes=tuple(REACH_EXAMPLE["scopes"]))},
    "workspaces_read": {200: Situation(a_named_workspace)},
    "workspaces_update": {200: Situation(a_file)},
}
