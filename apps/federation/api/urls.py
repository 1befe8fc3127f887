"""Below /api/v1/workspaces/{slug}/."""

from django.urls import path

from apps.federation.api import peers, views

urlpatterns = [
    path("summaries", views.SummariesView.as_view()),
    path("agents", views.AgentsView.as_view()),
    path("agents/<uuid:agent_id>", views.AgentView.as_view()),
    path("federation", views.FederationView.as_view()),
    path("federation:reset", views.ResetView.as_view()),
    path("federation/topics", views.TopicsView.as_view()),
    path("federation/labels", views.LabelsView.as_view()),
    path("federation/changes", views.ChangesView.as_view()),
    path("federation/peers", peers.PeersView.as_view()),
    path("federation/peers/<str:name>:exchange", peers.ExchangeView.as_view()),
    path("federation/peers/<str:name>", peers.PeerView.as_view()),
]
