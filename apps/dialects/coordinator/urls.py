"""Addresses below /w/{slug}/coordinator/. A slash at the end is no other address: the original redirected there, and
the stock client loses a push that is redirected."""

from django.urls import path, re_path

from apps.dialects.coordinator import views

urlpatterns = [
    re_path(r"^push/?$", views.PushView.as_view()),
    re_path(r"^pull/?$", views.PullView.as_view()),
    path("", views.banner),
    re_path(r"^health/?$", views.health),
    path("docs", views.docs),
    path("redoc", views.redoc),
    path("openapi.json", views.described),
    path("admin/reset", views.ResetView.as_view()),
    re_path(r"", views.unknown),
]
