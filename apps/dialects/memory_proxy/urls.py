"""Addresses below /w/{slug}/memory-proxy/, in the order in which they are judged.

The server gives the decoded path, so a slash that a client encoded cannot be told from a plain one: `/sync` and
`/blob/` come first, and everything else is split at its first `/blob/`. Folders named blob are real; namespaces that
hold one are not.
"""

from django.urls import path, re_path

from apps.dialects.memory_proxy import views

urlpatterns = [
    path("health", views.health),
    path("sync", views.SeedSyncView.as_view()),
    re_path(r"^sync/(?P<namespace>(?s:.*))\Z", views.SyncView.as_view()),
    re_path(r"^blob/(?P<path>(?s:.*))\Z", views.SeedBlobView.as_view()),
    re_path(r"^(?P<namespace>(?s:.*?))/blob/(?P<path>(?s:.*))\Z", views.BlobView.as_view()),
    re_path(r"", views.unknown),
]
