"""Files in the console: folders, the history of a path, what two versions differ in, and change sets."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.blobs.models import Blob
from apps.files.admin import change_sets, file_pages, folders, storage
from apps.files.admin.pages import Pages
from apps.files.models import ChangeSet, File


@admin.register(File)
class FileAdmin(Pages):
    """Rows are shown by path, never by key: `?workspace=&path=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(folders.browse), name="files_file_changelist"),
            path("page/", self.page(file_pages.show), name="files_file_page"),
            path("compare/", self.page(file_pages.compare_versions), name="files_file_compare"),
            path("bytes/", self.page(file_pages.give_bytes), name="files_file_bytes"),
            path("bring-back/", self.page(file_pages.bring_back), name="files_file_bring_back"),
        ]


@admin.register(ChangeSet)
class ChangeSetAdmin(Pages):
    """`?workspace=&number=`, where the number is the sequence that a set begins with."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(change_sets.latest), name="files_changeset_changelist"),
            path("page/", self.page(change_sets.show), name="files_changeset_page"),
        ]


@admin.register(Blob)
class BlobAdmin(Pages):
    """The storage as a whole; single blobs are nobody's to look at but by their files."""

    def get_urls(self) -> list[URLPattern]:
        return [path("", self.page(storage.overview), name="blobs_blob_changelist")]
