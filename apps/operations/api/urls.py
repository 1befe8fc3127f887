"""Addresses of the hub as a whole, at the root and the description below /api."""

from django.urls import path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from apps.operations.api import views

swagger = SpectacularSwaggerView.as_view(url_name="openapi")
redoc = SpectacularRedocView.as_view(url_name="openapi")

urlpatterns = [
    path("", views.home),
    path("health", views.health),
    path("healthz", views.alive),
    path("readyz", views.ready),
    path("metrics", views.prometheus),
    path("openapi.json", views.schema, name="openapi"),
    path("docs", swagger),
    path("redoc", redoc),
    path("api/schema", views.schema),
    path("api/docs", swagger),
]
