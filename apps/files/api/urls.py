"""Below /api/v1/workspaces/{slug}/."""

from django.urls import path, re_path

from apps.files.api.batch import CopyView, GetManyView, MoveView, PurgeView, PutManyView, RevertView
from apps.files.api.blob import FileView
from apps.files.api.feed import ChangesView, HistoryView, IndexView

urlpatterns = [
    re_path(r"^files/(?P<path>(?s:.*))\Z", FileView.as_view()),
    path("files:put", PutManyView.as_view()),
    path("files:get", GetManyView.as_view()),
    path("files:copy", CopyView.as_view()),
    path("files:move", MoveView.as_view()),
    path("files:revert", RevertView.as_view()),
    path("files:purge", PurgeView.as_view()),
    path("index", IndexView.as_view()),
    path("changes", ChangesView.as_view()),
    re_path(r"^history/(?P<path>(?s:.*))\Z", HistoryView.as_view()),
]
