"""Below /api/v1/."""

from django.urls import path, re_path

from apps.workspaces.api.views import (
    AuditView,
    IdentitiesView,
    IdentityView,
    MembersView,
    MemberView,
    MeView,
    TokensView,
    TokenView,
    WorkspaceDetailView,
    WorkspacesView,
)

urlpatterns = [
    path("me", MeView.as_view()),
    path("workspaces", WorkspacesView.as_view()),
    path("workspaces/<str:slug>", WorkspaceDetailView.as_view()),
    path("workspaces/<str:slug>/tokens", TokensView.as_view()),
    path("workspaces/<str:slug>/tokens/<str:token_id>", TokenView.as_view()),
    path("workspaces/<str:slug>/members", MembersView.as_view()),
    path("workspaces/<str:slug>/members/<str:username>", MemberView.as_view()),
    path("workspaces/<str:slug>/identities", IdentitiesView.as_view()),
    re_path(
        r"^workspaces/(?P<slug>[^/]+)/identities/(?P<provider>[^/]+)/(?P<subject>(?s:.+))\Z", IdentityView.as_view()
    ),
    path("workspaces/<str:slug>/audit", AuditView.as_view()),
]
