"""What our figures are compared with: other servers on this machine, started here, and a row that is updated."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.harness import cpu_of, free_port

UPDATE_ROW = "UPDATE bench_row SET number = number + 1 WHERE id = 1"

_NGINX = """
{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    client_max_body_size 100m;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        dav_methods PUT MKCOL;
        create_full_put_path on;
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that runs."""

    name: str
    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        return cpu_of([self.process, *self.process.children(recursive=True)])


@contextmanager
def nginx(folder: Path) -> Iterator[Peer]:
    """nginx with its WebDAV module on an empty folder."""
    (folder / "files").mkdir(parents=True)
    port = free_port()
    # Started as root its workers would be somebody who may not enter this folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(user=user, folder=folder, port=port), encoding="utf-8")
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    yield from _running("nginx", port, command)


@contextmanager
def rclone_webdav(folder: Path) -> Iterator[Peer]:
    """rclone's own WebDAV server on a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    yield from _running("rclone", port, ["rclone", "serve", "webdav", "--addr", f"127.0.0.1:{port}", str(folder)])


PEERS = {"nginx": nginx, "rclone": rclone_webdav}


def is_installed(name: str) -> bool:
    return shutil.which(name) is not None


def _running(name: str, port: int, command: list[str]) -> Iterator[Peer]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        peer = Peer(name, port, psutil.Process(server.pid))
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(peer.url)
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield peer
    finally:
        server.terminate()
        server.wait()
