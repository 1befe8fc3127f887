"""Copies of snapshots in a bucket: what travels and how long it takes, beside restic on the same server."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import httpx
import psutil

from bench.harness import ROOT, Client, Hub, free_port, running_hub
from bench.peers import is_installed
from bench.results import report, tell
from bench.sync_path import put_files

FILES, FILE_BYTES = 10_000, 2048
FEW, MORE = FILES // 100, FILES // 10
ROUNDS = 5
LONGEST_S = 600
LARGE_FILES, LARGE_BYTES = 40, 128 * 1024 * 1024
SCOPES = ("files:write", "files:read", "snapshots:write", "snapshots:read", "restores:write", "restores:read")
WORKER = "embedded.worker"
BUCKET = "bench"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}


def main() -> None:
    """Runs all and prints one line each."""
    rounds = []
    with tempfile.TemporaryDirectory(prefix="memoryhub-bench-copies-") as folder, running_hub() as hub:
        for number in range(ROUNDS):
            with s3_server(Path(folder) / f"s3-{number}.log") as server:
                rounds.append(Round(hub, server, Path(folder) / f"round-{number}", number).run())
        _report(rounds)
        growing(hub, Path(folder) / "large")


def _report(rounds: "list[Measured]") -> None:
    files = f"{FILES:,} x 2 KiB"
    report(f"{files}: one object a file : ours, requests", [FILES / each.requests for each in rounds], wanted=">= 10")
    if all(each.restic_upload_s for each in rounds):
        ratios = [each.restic_upload_s / each.upload_s for each in rounds]
        note = f"ours {median(each.upload_s for each in rounds):.2f} s"
        report("first upload: restic : ours, wall", ratios, wanted="> 1", note=note)
    tell("first upload: sent of the content", *(100 * each.sent_share for each in rounds), unit="%")
    changed = [100 * each.changed_share for each in rounds]
    tell("1 % changed: sent of the content, without the manifest", *changed, unit="%", wanted="< 3")
    manifests = [each.manifest_bytes_a_file for each in rounds]
    tell("manifest: bytes a file", *manifests, unit="bytes", wanted="<= 48")
    ratios = [each.restore_s / each.batch_s for each in rounds]
    name = f"restore of {MORE:,} in {FILES:,} files from a bucket : a batch of them, wall"
    report(name, ratios, wanted="<= 2")
    if all(each.restic_restore_s for each in rounds):
        ratios = [each.restic_restore_s / each.extract_s for each in rounds]
        note = f"ours {median(each.extract_s for each in rounds):.2f} s"
        report("restore to a directory: restic : ours, wall", ratios, wanted="> 1", note=note)


@dataclass(slots=True)
class Measured:
    """What one round has measured. What restic took is 0 where it is not installed."""

    requests: int = 0
    upload_s: float = 0.0
    restic_upload_s: float = 0.0
    sent_share: float = 0.0
    changed_share: float = 0.0
    manifest_bytes_a_file: float = 0.0
    batch_s: float = 0.0
    restore_s: float = 0.0
    extract_s: float = 0.0
    restic_restore_s: float = 0.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """Moto's S3 server, which writes a line for each request."""

    url: str
    log: Path

    def requests(self) -> int:
        return sum("HTTP/1.1" in line for line in self.log.read_text(errors="replace").splitlines())


@contextmanager
def s3_server(log: Path) -> Iterator[S3Server]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | KEYS)
    server = S3Server(f"http://127.0.0.1:{port}", log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{server.url}/moto-api/")
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()


class Round:
    """The same files in a workspace and in a folder, sent to the same server by the hub and by restic."""

    def __init__(self, hub: Hub, server: S3Server, folder: Path, number: int) -> None:
        self._hub, self._server, self._folder = hub, server, folder
        self._slug = f"copies-{number}"
        self._chance = random.Random(number)
        self._words = ["".join(self._chance.choices("aeioulnrst", k=self._chance.randint(2, 9))) for _ in range(4000)]

    def run(self) -> Measured:
        source = self._folder / "source"
        files = {f"notes/{number // 100:03}/{number:05}.md": self._note() for number in range(FILES)}
        self._call, self._base = _workspace(self._hub, self._slug)
        self._put(files, source)
        self._add_target()
        restic = Restic(self._server, self._folder / "cache") if is_installed("restic") else None
        found = Measured()
        self._first_upload(found, source, restic)
        self._second_upload(found, files, source)
        self._restore_changed(found, files)
        self._extract(found, restic)
        return found

    def _first_upload(self, found: Measured, source: Path, restic: "Restic | None") -> None:
        before = self._server.requests()
        found.upload_s, copy = self._uploaded("first")
        found.requests = self._server.requests() - before
        found.sent_share = copy["sent_bytes"] / copy["size_bytes"]
        if restic is not None:
            found.restic_upload_s = restic.backup(source)

    def _second_upload(self, found: Measured, files: dict[str, bytes], source: Path) -> None:
        self._put({path: self._note() for path in self._chance.sample(sorted(files), FEW)}, source)
        _, copy = self._uploaded("second")
        manifest_bytes = self._manifest_bytes("second")
        found.manifest_bytes_a_file = manifest_bytes / copy["files"]
        found.changed_share = (copy["sent_bytes"] - manifest_bytes) / copy["size_bytes"]

    def _restore_changed(self, found: Measured, files: dict[str, bytes]) -> None:
        """Back to the second copy after a tenth has changed, beside one batch upload of that tenth."""
        changed = {path: self._note() for path in self._chance.sample(sorted(files), MORE)}
        began = time.monotonic()
        put_files(self._call, self._base, changed)
        found.batch_s = time.monotonic() - began
        began = time.monotonic()
        restore = self._post(f"targets/{self._slug}/copies/second/restore", {"confirm": True})
        restore = self._wait(f"restores/{restore['id']}", "open")
        assert (restore["state"], restore["put"]) == ("done", MORE), restore
        found.restore_s = time.monotonic() - began

    def _extract(self, found: Measured, restic: "Restic | None") -> None:
        """All files into a directory: our reader without a hub, and restic."""
        manifest = f"s3://{BUCKET}/{self._slug}/first/manifest.mhs"
        to = str(self._folder / "ours")
        command = [sys.executable, "-m", "memoryhub", "snapshot", "extract", manifest, "--to", to]
        began = time.monotonic()
        subprocess.run(command, env=_environment(self._server), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        found.extract_s = time.monotonic() - began
        assert sum(path.is_file() for path in (self._folder / "ours").rglob("*")) == FILES
        if restic is not None:
            found.restic_restore_s = restic.restore(self._folder / "theirs")

    def _note(self) -> bytes:
        return " ".join(self._chance.choices(self._words, k=FILE_BYTES // 4)).encode()[:FILE_BYTES]

    def _put(self, files: Mapping[str, bytes], folder: Path) -> None:
        paths = sorted(files)
        for start in range(0, len(paths), 1000):
            put_files(self._call, self._base, {path: files[path] for path in paths[start : start + 1000]})
        for path, body in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(body)

    def _add_target(self) -> None:
        self._bucket.create_bucket(Bucket=BUCKET)
        secret = self._folder / "secret"
        secret.write_text(KEYS["AWS_SECRET_ACCESS_KEY"])
        options = ["--bucket", BUCKET, "--prefix", self._slug, "--endpoint", self._server.url]
        keys = ["--access-key", KEYS["AWS_ACCESS_KEY_ID"], "--secret-key-file", str(secret)]
        self._hub.memoryhub("target", "add", self._slug, *options, *keys, "--workspace", self._slug)

    def _uploaded(self, name: str) -> tuple[float, dict[str, Any]]:
        """Seconds from the wish to the sealed copy, the making of the snapshot included."""
        began = time.monotonic()
        self._post("snapshots", {"name": name})
        self._post(f"targets/{self._slug}/copies", {"snapshot": name})
        copy = self._wait(f"targets/{self._slug}/copies/{name}", "uploading")
        return time.monotonic() - began, copy

    def _manifest_bytes(self, name: str) -> int:
        answer = self._bucket.head_object(Bucket=BUCKET, Key=f"{self._slug}/{name}/manifest.mhs")
        return int(answer["ContentLength"])

    @property
    def _bucket(self) -> Any:
        keys = {name.lower(): value for name, value in KEYS.items() if name != "AWS_REGION"}
        return boto3.client("s3", endpoint_url=self._server.url, region_name=KEYS["AWS_REGION"], **keys)

    def _wait(self, address: str, state: str) -> dict[str, Any]:
        return _left(self._call, self._base + address, state)

    def _post(self, address: str, body: object) -> dict[str, Any]:
        return _post(self._call, self._base + address, body)


class Restic:
    """A restic repository on the same server."""

    def __init__(self, server: S3Server, cache: Path) -> None:
        place = {
            "RESTIC_REPOSITORY": f"s3:{server.url}/restic",
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(cache),
        }
        self._environment = os.environ | KEYS | place
        self._run("init")

    def backup(self, folder: Path) -> float:
        return self._run("backup", "--host", "bench", ".", cwd=folder)

    def restore(self, folder: Path) -> float:
        return self._run("restore", "latest", "--target", str(folder))

    def _run(self, *arguments: str, cwd: Path | None = None) -> float:
        """Seconds that the command took."""
        began = time.monotonic()
        subprocess.run(
            ["restic", "--quiet", *arguments], env=self._environment, cwd=cwd, check=True, stdout=subprocess.DEVNULL
        )
        return time.monotonic() - began


def growing(hub: Hub, folder: Path) -> None:
    """How much a worker grows over its resting size while it uploads 5 GiB to a directory."""
    folder.mkdir()
    call, base = _workspace(hub, "large")
    for number in range(LARGE_FILES):
        status, answer = call("PUT", f"{base}files/large/{number}.bin", os.urandom(LARGE_BYTES), If_None_Match="*")
        assert status == 201, answer
    hub.memoryhub("target", "add", "large", "--kind", "directory", "--path", str(folder), "--workspace", "large")
    workers = hub.processes(of=(WORKER,))
    time.sleep(5)
    resting = _resident(workers)
    with _peak(workers) as peak:
        began = time.monotonic()
        hub.memoryhub("snapshot", "create", "large", "--name", "all")
        _post(call, f"{base}targets/large/copies", {"snapshot": "all"})
        copy = _left(call, f"{base}targets/large/copies/all", "uploading")
        seconds = time.monotonic() - began
    assert copy["state"] == "sealed", copy
    grown = (peak[0] - resting) / 2**20
    note = f"{LARGE_FILES * LARGE_BYTES / 2**30:.0f} GiB in {seconds:.0f} s"
    tell("a worker's growth while it uploads", grown, unit="MiB", wanted="< 100", note=note)
    shutil.rmtree(folder)


def _resident(processes: list[psutil.Process]) -> int:
    """Bytes, together: jobs run in one of them."""
    return sum(process.memory_info().rss for process in processes)


@contextmanager
def _peak(processes: list[psutil.Process]) -> Iterator[list[int]]:
    """The largest resident size that the processes had in the block, as the only item."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], _resident(processes))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _workspace(hub: Hub, slug: str) -> tuple[Client, str]:
    hub.memoryhub("workspace", "create", slug)
    token = hub.memoryhub("token", "issue", slug, *(f"--scope={scope}" for scope in SCOPES))
    return Client(hub.port, token), f"/api/v1/workspaces/{slug}/"


def _post(call: Client, address: str, body: object) -> dict[str, Any]:
    status, answer = call("POST", address, json.dumps(body).encode(), Content_Type="application/json")
    assert status < 300, answer
    found: dict[str, Any] = json.loads(answer)
    return found


def _left(call: Client, address: str, state: str) -> dict[str, Any]:
    """Asks for the thing at an address until it has left a state."""
    deadline = time.monotonic() + LONGEST_S
    while True:
        status, answer = call("GET", address)
        assert status == 200, answer
        found: dict[str, Any] = json.loads(answer)
        if found["state"] != state:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def _environment(server: S3Server) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | KEYS | {"PYTHONPATH": str(ROOT), "S3_ENDPOINT_URL": server.url, "MEMORYHUB_ENV_FILE": "none"}
