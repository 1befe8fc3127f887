"""Targets: adding, changing and testing them, and what workspaces have in them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.actions import record_audit
from apps.accounts.actors import Actor
from apps.common.errors import AlreadyExists, Invalid, NotFound
from apps.common.secrets import SecretBox, SecretUnreadable
from apps.files.actions import WorkspaceRef
from apps.snapshots.errors import TargetInUse
from apps.snapshots.format.names import key_name
from apps.snapshots.format.reading import Seals
from apps.snapshots.format.sealing import DataKey, MasterKeys, Seal, Unsealed
from apps.snapshots.models import RemoteCopy, RemoteTarget, Repository, RestoreState, SnapshotPolicy, TargetKind
from apps.snapshots.names import NAME_OF_TARGET, SECRET_OPTION
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import TargetDenied
from apps.snapshots.places.opening import S3Options, directory_place, s3_place, storage_place
from apps.snapshots.places.probing import Probe, probe
from apps.snapshots.repositories import forget_repository, has_open_upload
from apps.workspaces.models import Workspace
from apps.workspaces.queries import live_workspaces

SETTINGS_TARGET = "cloud-sync"
_SECRET_OPTIONS = frozenset({"access_key", "secret_key", "session_token"})
_S3_OPTIONS = frozenset(field.name for field in fields(S3Options)) - _SECRET_OPTIONS
"""What a target of a bucket may be told beside its credentials."""
_PLACE_OPTIONS = frozenset(
    {
        *("bucket", "prefix", "directory", "endpoint_url"),
        # As django-storages calls them.
        *("bucket_name", "azure_container", "account_name", "host", "root_path", "location"),
    }
)
"""Another one of these would be another target."""


def add_target(
    name: str,
    *,
    kind: str,
    options: Mapping[str, Any],
    secrets: Mapping[str, str] | None = None,
    workspace: Workspace | None = None,
    is_encrypted: bool = False,
    actor: Actor,
) -> RemoteTarget:
    """Makes a target known; nobody asks it yet.

    Raises `Invalid`, `AlreadyExists`, `CopyKeyMissing`, and `TargetDenied` where the library for its kind is missing.
    """
    if NAME_OF_TARGET.fullmatch(name) is None or name == SETTINGS_TARGET:
        raise Invalid.of("name", "name", f"1 to 63 of a-z, 0-9 and '-', and not {SETTINGS_TARGET}.")
    _check_options(kind, options)
    if is_encrypted:
        _ = master_keys().current
    target = RemoteTarget(name=name, kind=kind, workspace=workspace, options=dict(options), is_encrypted=is_encrypted)
    target.secrets = _boxed(secrets)
    place_of(target)
    try:
        with transaction.atomic():
            target.save(force_insert=True)
            record_audit("target.added", actor=actor, subject=name, details={"kind": kind, "options": dict(options)})
    except IntegrityError as failure:
        raise AlreadyExists("A target has this name.") from failure
    return target


def change_target(
    target: RemoteTarget, *, options: Mapping[str, Any], secrets: Mapping[str, str] | None = None, actor: Actor
) -> RemoteTarget:
    """Gives a target other options, and credentials where some are given.

    Raises `Invalid`, also for another place, and `TargetDenied` as `add_target`.
    """
    if target.is_from_settings:
        raise Invalid.of("target", "from_settings", "CLOUD_SYNC_* say what this target is.")
    _check_options(target.kind, options)
    for name in sorted(_PLACE_OPTIONS):
        if options.get(name, "") != target.options.get(name, ""):
            raise Invalid.of(name, "place", "This would be another place: add another target.")
    target.options = dict(options)
    if secrets is not None:
        target.secrets = _boxed(secrets)
    place_of(target)
    with transaction.atomic():
        target.save(update_fields=["options", "secrets"])
        record_audit("target.changed", actor=actor, subject=target.name, details={"options": dict(options)})
    return target


def remove_target(target: RemoteTarget, *, actor: Actor) -> None:
    """Forgets a target with all that is known of its copies; what lies in it stays. Raises `TargetInUse`."""
    with transaction.atomic():
        if SnapshotPolicy.objects.filter(target=target).exists():
            raise TargetInUse("A workspace's policy sends its snapshots there.")
        if RemoteCopy.objects.filter(repository__target=target, restores__state=RestoreState.OPEN).exists():
            raise TargetInUse("A restore is reading from it.")
        if any(has_open_upload(repository) for repository in target.repositories.all()):
            raise TargetInUse("An upload to it waits or runs.")
        for repository in target.repositories.all():
            forget_repository(repository)
        target.delete()
        record_audit("target.removed", actor=actor, subject=target.name)


def check_target(target: RemoteTarget, *, actor: Actor) -> Probe:
    """Tries what a target can do, and writes it down. Takes as long as the target does; raises nothing for it."""
    found = probe(place_of(target))
    target.checked_at, target.check_result = timezone.now(), asdict(found)
    with transaction.atomic():
        target.save(update_fields=["checked_at", "check_result"])
        record_audit("target.tested", actor=actor, subject=target.name, details={"problems": found.problems})
    return found


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Raises `Invalid` for what a target of this kind cannot be told, or must."""
    for name in options:
        if SECRET_OPTION.search(name):
            raise Invalid.of(name, "secret", "This is a secret, which is kept apart from the options.")
    match kind:
        case TargetKind.S3:
            _require_known(options, _S3_OPTIONS)
            if not options.get("bucket"):
                raise Invalid.of("bucket", "required", "Name the bucket.")
        case TargetKind.DIRECTORY:
            _require_known(options, {"directory"})
            if not Path(str(options.get("directory", ""))).is_absolute():
                raise Invalid.of("directory", "absolute", "Name a directory by its whole path.")
        case TargetKind.GCS | TargetKind.AZURE | TargetKind.SFTP:
            if not options:
                raise Invalid.of("options", "required", "Give the options of django-storages for it.")
        case _:
            raise Invalid.of("kind", "kind", f"One of {', '.join(TargetKind.values)}.")


def _require_known(options: Mapping[str, Any], known: frozenset[str] | set[str]) -> None:
    for name in sorted(set(options) - known):
        raise Invalid.of(name, "unknown", f"Known are {', '.join(sorted(known))}.")


def _box() -> SecretBox:
    return SecretBox(settings.MEMORYHUB_SECRETS_KEY.split(","))


def _boxed(secrets: Mapping[str, str] | None) -> str:
    return _box().encrypt(json.dumps(dict(secrets))) if secrets else ""


def _unboxed(stored: str) -> dict[str, str]:
    try:
        secrets: dict[str, str] = json.loads(_box().decrypt(stored)) if stored else {}
    except SecretUnreadable as error:
        raise TargetDenied(f"Its credentials cannot be read: {error}.") from error
    return secrets


# --- The target of CLOUD_SYNC_*


@dataclass(frozen=True, slots=True)
class SettingsTarget:
    """What CLOUD_SYNC_* ask for, and the policy of the workspace that they are about."""

    target: RemoteTarget
    policy: SnapshotPolicy


def settings_target() -> SettingsTarget | None:
    """The target that CLOUD_SYNC_* describe, made where it is missing; None when they are off, or the workspace is
    not there. Two queries when nothing is new.
    """
    if not settings.CLOUD_SYNC_ENABLED or not settings.CLOUD_SYNC_BUCKET:
        return None
    workspace = live_workspaces().filter(slug=settings.CLOUD_SYNC_WORKSPACE).first()
    if workspace is None:
        return None
    policy = (
        SnapshotPolicy.objects.select_related("target", "workspace")
        .filter(workspace=workspace, target__is_from_settings=True)
        .first()
    )
    if policy is None or policy.target is None or _is_stale(policy.target, policy):
        return _written_settings(workspace)
    return SettingsTarget(policy.target, policy)


def _settings_options() -> dict[str, Any]:
    style = settings.CLOUD_SYNC_ADDRESSING_STYLE
    return {
        "bucket": settings.CLOUD_SYNC_BUCKET,
        "prefix": settings.CLOUD_SYNC_PREFIX.strip("/"),
        "region": settings.CLOUD_SYNC_REGION,
        "endpoint_url": settings.CLOUD_SYNC_ENDPOINT,
        "addressing_style": "" if style == "auto" else style,
        "checksum_mode": settings.CLOUD_SYNC_CHECKSUM_MODE,
        "server_side_encryption": settings.CLOUD_SYNC_SERVER_SIDE_ENCRYPTION,
        "sse_kms_key_id": settings.CLOUD_SYNC_SSE_KMS_KEY_ID,
    }


def _policy_values() -> dict[str, Any]:
    quiet_s = round(settings.CLOUD_SYNC_QUIET_S)
    return {
        "after_changes": True,
        "quiet_s": quiet_s,
        "longest_s": max(quiet_s, round(settings.CLOUD_SYNC_LONGEST_S)),
        "restore_when_empty": settings.CLOUD_SYNC_RESTORE_WHEN_EMPTY,
    }


def _is_stale(target: RemoteTarget, policy: SnapshotPolicy) -> bool:
    return (
        target.options != _settings_options()
        or (bool(master_keys()) and not target.is_encrypted)
        or any(getattr(policy, name) != value for name, value in _policy_values().items())
    )


def _written_settings(workspace: Workspace) -> SettingsTarget:
    """The rows of the target and of the policy as the settings want them."""
    options = _settings_options()
    with transaction.atomic():
        target, _ = RemoteTarget.objects.select_for_update(no_key=True, of=("self",)).get_or_create(
            is_from_settings=True, defaults={"name": SETTINGS_TARGET, "kind": TargetKind.S3, "workspace": workspace}
        )
        is_elsewhere = target.workspace_id != workspace.pk or any(
            name in target.options and target.options[name] != options[name] for name in _PLACE_OPTIONS & options.keys()
        )
        if is_elsewhere:
            # What is known of the old place is not true of the new one.
            SnapshotPolicy.objects.filter(target=target).update(target=None, after_changes=False)
            for repository in target.repositories.all():
                forget_repository(repository)
            target.is_encrypted = False
        target.workspace, target.options = workspace, options
        # A key that is lost stops the uploads; it does not turn them into clear text.
        target.is_encrypted = target.is_encrypted or bool(master_keys())
        target.save(update_fields=["workspace", "options", "is_encrypted"])
        policy, _ = SnapshotPolicy.objects.update_or_create(
            workspace=workspace, defaults={"target": target, **_policy_values()}
        )
        record_audit("target.configured", actor=Actor.system(), workspace_id=workspace.pk, subject=target.name)
    return SettingsTarget(target, policy)


# --- What a workspace has in a target


def target_named(name: str, *, workspace_id: int | None = None) -> RemoteTarget:
    """A target, which this workspace may use if one is given. Raises `NotFound`."""
    target = RemoteTarget.objects.select_related("workspace").filter(name=name).first()
    if target is None or (workspace_id is not None and target.workspace_id not in (None, workspace_id)):
        raise NotFound("There is no target of this name.")
    return target


def place_of(target: RemoteTarget) -> Place:
    """Where the target lies. Raises `TargetDenied`, also for credentials that no key opens."""
    options = dict(target.options)
    if target.is_from_settings:
        pair = {"access_key": settings.CLOUD_SYNC_ACCESS_KEY, "secret_key": settings.CLOUD_SYNC_SECRET_KEY}
        secrets = pair if all(pair.values()) else {}
    else:
        secrets = _unboxed(target.secrets)
    if target.kind == TargetKind.S3:
        return s3_place(S3Options(**{"timeout_s": settings.MEMORYHUB_STORAGE_TIMEOUT_S} | options | secrets))
    if target.kind == TargetKind.DIRECTORY:
        return directory_place(Path(options["directory"]))
    prefix = str(options.pop("prefix", ""))
    return storage_place(target.kind, {**options, **secrets}, prefix=prefix)


def repository_for(workspace: Workspace | WorkspaceRef, target: RemoteTarget) -> Repository:
    """What the workspace has there, made when it has nothing yet. Raises `NotFound` for another workspace's target."""
    if target.workspace_id not in (None, workspace.id):
        raise NotFound("There is no target of this name.")
    repository, _ = Repository.objects.select_related("target", "workspace").get_or_create(
        target=target, workspace_id=workspace.id
    )
    return repository


def repository_named(workspace: Workspace | WorkspaceRef, target: str) -> Repository | None:
    """What the workspace has in the target of that name; None for no name. Raises `NotFound`."""
    settings_target()
    return repository_for(workspace, target_named(target, workspace_id=workspace.id)) if target else None


def place_of_repository(repository: Repository) -> Place:
    """The folder of the workspace's copies."""
    place = place_of(repository.target)
    return place if repository.target.workspace_id else place.below(repository.workspace.slug)


# --- Keys


def master_keys() -> MasterKeys:
    """Those of MEMORYHUB_SNAPSHOT_KEY; none when it is not set."""
    return MasterKeys.parse(settings.MEMORYHUB_SNAPSHOT_KEY)


def seals_of(place: Place, *, only_encrypted: bool = False) -> Seals:
    """Opens what lies in a repository, by whichever key it was sealed with. `only_encrypted` refuses what was not."""
    return Seals(place, master_keys(), only_encrypted=only_encrypted)


def writing_seal(repository: Repository, place: Place) -> Seal:
    """What new objects of the repository are sealed with. Its key lies in the target when this returns.

    Raises `CopyKeyMissing`, and what the target raises.
    """
    if not repository.target.is_encrypted:
        return Unsealed()
    keys = master_keys()
    if not repository.wrapped_key:
        fresh = keys.wrapped(DataKey.new()).decode()
        Repository.objects.filter(pk=repository.pk, wrapped_key="").update(wrapped_key=fresh)
        repository.refresh_from_db(fields=["wrapped_key"])
    stored = repository.wrapped_key.encode()
    key = keys.unwrapped(stored)
    if place.stat(key_name(key.key_id)) is None:
        place.put(key_name(key.key_id), stored)
    return key


def rewrap_keys(*, actor: Actor) -> int:
    """Wraps every data key with the first master key, here and in the targets; how many were not.

    After it the older master keys open nothing of this hub's any more. Raises `CopyKeyMissing`, and what targets raise.
    """
    keys, changed = master_keys(), 0
    for repository in Repository.objects.exclude(wrapped_key="").select_related("target", "workspace"):
        stored = repository.wrapped_key.encode()
        key = keys.unwrapped(stored)
        wrapped = stored if keys.is_current(stored) else keys.wrapped(key)
        # The target first, and again when it is current here: killed between the two, the next run sets it right.
        place_of_repository(repository).put(key_name(key.key_id), wrapped)
        if wrapped != stored:
            with transaction.atomic():
                Repository.objects.filter(pk=repository.pk).update(wrapped_key=wrapped.decode())
                record_audit("target.key_rewrapped", actor=actor, workspace_id=repository.workspace_id)
            changed += 1
    return changed
