"""Every address of the hub. The busiest come first: Django tries them in order, at each request."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/workspaces/<str:slug>/", include("apps.files.api.urls")),
    path("w/<str:slug>/memory-proxy/", include("apps.dialects.memory_proxy.urls")),
    path("api/v1/workspaces/<str:slug>/", include("apps.jobs.api.urls")),
    path("api/v1/workspaces/<str:slug>/", include("apps.snapshots.api.urls")),
    path("api/v1/workspaces/<str:slug>/", include("apps.federation.api.urls")),
    path("w/<str:slug>/cloud-sync/", include("apps.dialects.cloud_sync.urls")),
    path("w/<str:slug>/coordinator/", include("apps.dialects.coordinator.urls")),
    path("api/v1/", include("apps.workspaces.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("apps.operations.api.urls")),
]

handler400 = "apps.operations.api.failures.bad_request"
handler403 = "apps.operations.api.failures.permission_denied"
handler404 = "apps.operations.api.failures.not_found"
handler500 = "apps.operations.api.failures.server_error"
