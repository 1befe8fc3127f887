"""The workspaces of the file tests, for snapshots of them."""

from tests.files.conftest import another_process, api, committed_api

__all__ = ["another_process", "api", "committed_api"]
