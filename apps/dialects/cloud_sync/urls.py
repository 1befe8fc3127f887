"""Addresses below /w/{slug}/cloud-sync/."""

from django.urls import path, re_path

from apps.dialects.cloud_sync import views

urlpatterns = [
    path("health", views.health),
    path("health/ready", views.ready),
    path("sync/status", views.StatusView.as_view()),
    path("sync/upload", views.UploadView.as_view()),
    path("sync/snapshots", views.CopiesView.as_view()),
    path("sync/download", views.DownloadView.as_view()),
    path("sync/restore/<str:name>", views.CopyRestoreView.as_view()),
    path("backup", views.BackupView.as_view()),
    path("backups", views.BackupsView.as_view()),
    path("restore", views.RestoreView.as_view()),
    path("snapshots", views.SnapshotsView.as_view()),
    path("snapshots/<str:name>/restore", views.SnapshotRestoreView.as_view()),
    re_path(r"", views.unknown),
]
