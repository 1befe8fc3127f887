"""What this dialect calls the cloud: the target that a workspace's snapshots go to, and what lies there."""

from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread

from django.db.models import QuerySet

from apps.common.errors import DomainError
from apps.dialects.answers import refusal
from apps.dialects.cloud_sync.refusals import OFF, unreachable
from apps.snapshots.copies import MANIFEST_MISSING, refresh
from apps.snapshots.format.names import BEHIND_RESERVED
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget, Repository
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import TargetUnavailable
from apps.snapshots.policies import policy_of
from apps.snapshots.queries import copies_of, latest_copy
from apps.snapshots.targets import place_of_repository, repository_for, settings_target
from apps.workspaces.access import OpenWorkspace

ANSWER_TIMEOUT_S = 5.0
"""A target's own time-outs are made for transfers. A status is not worth a minute of waiting."""

_knocks: dict[int, Future[None]] = {}
_knocks_lock = Lock()


@dataclass(frozen=True, slots=True)
class Cloud:
    repository: Repository

    @classmethod
    def of(cls, workspace: OpenWorkspace) -> "Cloud | None":
        """None where nothing says where the snapshots go."""
        target = _target_of(workspace)
        return None if target is None else cls(repository_for(workspace, target))

    @classmethod
    def required(cls, workspace: OpenWorkspace) -> "Cloud":
        """Raises `Refusal`."""
        cloud = cls.of(workspace)
        if cloud is None:
            raise refusal(400, OFF)
        return cloud

    @property
    def target(self) -> RemoteTarget:
        return self.repository.target

    def address(self, name: str) -> str:
        """Where a copy lies: the folder of its manifest, from the root of the bucket or of the directory on."""
        prefix = str(self.target.options.get("prefix", "")).strip("/")
        slug = "" if self.target.workspace_id else self.repository.workspace.slug
        return "".join(f"{part}/" for part in (prefix, slug, name) if part)

    def ask(self) -> None:
        """Brings what is known of the target to what lies there. Raises `Refusal` for one that does not answer."""
        try:
            self._knock()
            refresh(self.repository)
        except DomainError as error:
            raise unreachable(error) from error

    def _knock(self) -> None:
        try:
            self._answer().result(timeout=ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            raise TargetUnavailable("The target does not answer in time.") from error

    def _answer(self) -> "Future[None]":
        """Done when the target has answered. One that hangs holds a single thread, whoever asks, and nobody else up."""
        key = self.repository.pk
        place = place_of_repository(self.repository)
        with _knocks_lock:
            if key in _knocks:
                return _knocks[key]
            answer = _knocks[key] = Future()
        Thread(target=_listen, args=[key, place, answer], name=f"cloud-sync {key}", daemon=True).start()
        return answer

    def names(self) -> list[str]:
        """Of all whole copies that lie there, the greatest first, as of the last `ask`."""
        return sorted(self._whole().values_list("name", flat=True), reverse=True)

    def copy(self, name: str) -> RemoteCopy | None:
        """One of `names`."""
        return self._whole().filter(name=name).first()

    def _whole(self) -> QuerySet[RemoteCopy]:
        copies = copies_of(self.repository.workspace_id).filter(repository=self.repository)
        return copies.filter(state=CopyState.SEALED, doomed_at=None).exclude(damage=MANIFEST_MISSING)

    def latest(self) -> RemoteCopy | None:
        """By the time of its state; never one from before a restore."""
        return latest_copy(self.repository)


def _listen(key: int, place: Place, answer: "Future[None]") -> None:
    try:
        next(place.names(behind=BEHIND_RESERVED), None)
    except Exception as error:  # noqa: BLE001 - whoever waits raises it
        answer.set_exception(error)
    else:
        answer.set_result(None)
    finally:
        with _knocks_lock:
            del _knocks[key]


def _target_of(workspace: OpenWorkspace) -> RemoteTarget | None:
    """That of CLOUD_SYNC_* where they are about this workspace, else the one that its policy names."""
    ours = settings_target()
    if ours is not None and ours.policy.workspace_id == workspace.id:
        return ours.target
    target = policy_of(workspace.id).target
    # Its rows stay when the settings are switched off.
    return None if target is None or target.is_from_settings else target
