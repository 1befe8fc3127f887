"""Below /api/v1/workspaces/{slug}/."""

from django.urls import path

from apps.snapshots.api.copies import (
    CopiesView,
    CopyView,
    RestoreCopyView,
    RestoreIntoView,
    RestoreView,
    TargetsView,
    VerifyView,
)
from apps.snapshots.api.policies import PolicyView, PreviewView, RetentionView
from apps.snapshots.api.views import (
    RestoresView,
    SnapshotChangesView,
    SnapshotFilesView,
    SnapshotsView,
    SnapshotView,
)

urlpatterns = [
    path("snapshots", SnapshotsView.as_view()),
    path("snapshots/<str:name>", SnapshotView.as_view()),
    path("snapshots/<str:name>/files", SnapshotFilesView.as_view()),
    path("snapshots/<str:name>/changes", SnapshotChangesView.as_view()),
    path("snapshots/<str:name>/restore", RestoreIntoView.as_view()),
    path("restores", RestoresView.as_view()),
    path("restores/<uuid:restore_id>", RestoreView.as_view()),
    path("targets", TargetsView.as_view()),
    path("targets/<str:target>/copies", CopiesView.as_view()),
    path("targets/<str:target>/copies/<str:name>", CopyView.as_view()),
    path("targets/<str:target>/copies/<str:name>/verify", VerifyView.as_view()),
    path("targets/<str:target>/copies/<str:name>/restore", RestoreCopyView.as_view()),
    path("snapshot-policy", PolicyView.as_view()),
    path("snapshot-retention", RetentionView.as_view()),
    path("snapshot-retention/preview", PreviewView.as_view()),
]
