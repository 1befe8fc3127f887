"""The numbers of the client: a folder of 10,000 files against the same files one by one, and against rclone.

Walls of whole runs on one machine, hub and client together; every ratio is of two measurements in the same run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.harness import ROOT, Hub, running_hub, seconds_for_all
from bench.peers import rclone_webdav
from bench.results import report, tell
from memoryhub.client import Client

FILES = 10_000
MANY = 100_000
ROUNDS = 3
BODY_BYTES = 2048
NO_OP_ROUNDS = 5
# As installed: an installer compiles what it puts there.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Runs all and prints one line each."""
    with running_hub() as hub, tempfile.TemporaryDirectory() as place:
        first_sync(hub, Path(place))
        nothing_to_do(hub, Path(place))
        one_change(hub, Path(place))
    with running_hub() as hub, tempfile.TemporaryDirectory() as place:
        memory(hub, Path(place))
    help_text()


def first_sync(hub: Hub, place: Path) -> None:
    """Up and down, against the same files by single requests over eight connections."""
    up, down = [], []
    for number in range(ROUNDS):
        slug = f"round-{number}"
        hub.memoryhub("workspace", "create", slug)
        token = hub.memoryhub("token", "issue", slug)
        source, target = filled(place / f"source-{number}", FILES, number), place / f"target-{number}"
        target.mkdir()
        uploaded_s = sync(hub, source, token, slug)
        downloaded_s = sync(hub, target, token, slug)
        paths = [path for path in source.rglob("*.md") if ".memoryhub" not in path.parts]
        with Client(f"http://127.0.0.1:{hub.port}", token, slug) as client:
            single_up_s = seconds_for_all(
                8, paths, lambda path: client.put(f"single/{path.name}", path.read_bytes() + b"!", if_version=0)
            )
            single_down_s = seconds_for_all(8, paths, lambda path: client.read(f"single/{path.name}"))
        up.append(single_up_s / uploaded_s)
        down.append(single_down_s / downloaded_s)
    report(
        f"first upload of {FILES:,} files : single PUTs of 8 connections", up, wanted=">= 3", note=f"{uploaded_s:.1f} s"
    )
    report(
        f"first download of {FILES:,} files : single GETs of 8 connections",
        down,
        wanted=">= 3",
        note=f"{downloaded_s:.1f} s",
    )


def nothing_to_do(hub: Hub, place: Path) -> None:
    """Against rclone with its own WebDAV server, when both sides are equal."""
    source = place / "source-0"
    token = hub.memoryhub("token", "issue", "round-0")
    sync(hub, source, token, "round-0")
    if shutil.which("rclone") is None:
        print("nothing to do : rclone: rclone is not installed")
        return
    ratios = []
    plain = filled(place / "plain", FILES, 0)
    # It compares sizes only; to upload 10,000 files would take it minutes.
    shutil.copytree(plain, place / "webdav")
    with rclone_webdav(place / "webdav") as server:
        peer = ["rclone", "sync", "--webdav-url", server.url, str(plain), ":webdav:"]
        subprocess.run(peer, check=True, capture_output=True)
        for _ in range(NO_OP_ROUNDS):
            ours_s = sync(hub, source, token, "round-0")
            began = time.monotonic()
            subprocess.run(peer, check=True, capture_output=True)
            ratios.append((time.monotonic() - began) / ours_s)
    report(
        f"nothing to do in {FILES:,} files : rclone sync to its WebDAV", ratios, wanted=">= 3", note=f"{ours_s:.2f} s"
    )


def one_change(hub: Hub, place: Path) -> None:
    source = place / "source-0"
    token = hub.memoryhub("token", "issue", "round-0")
    next(source.rglob("*.md")).write_text("changed")
    before = hub.requests()
    seconds = sync(hub, source, token, "round-0")
    requests = hub.requests() - before
    tell(f"one change in {FILES:,} files", requests, unit="requests", wanted="<= 5", note=f"{seconds:.2f} s")


def memory(hub: Hub, place: Path) -> None:
    """The client's largest resident size, up and down."""
    token = hub.memoryhub("token", "issue", "default")
    source, target = filled(place / "many", MANY, 0), place / "again"
    target.mkdir()
    for name, folder in (("up", source), ("down", target), ("nothing to do", target)):
        peak_bytes, seconds = sync_measured(hub, folder, token)
        tell(f"client, {MANY:,} files {name}", peak_bytes / 1e6, unit="MB", wanted="< 150", note=f"{seconds:.1f} s")


def help_text() -> None:
    times = []
    for _ in range(7):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "memoryhub", "--help"],
            cwd=ROOT,
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
        )
        times.append((time.monotonic() - began) * 1000)
    tell("memoryhub --help", *times, unit="ms", wanted="< 250")


def filled(folder: Path, files: int, seed: int) -> Path:
    """A folder with so many files of 2 KiB, a hundred in each of its folders."""
    for number in range(files):
        path = folder / f"{number // 100:04}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{seed} {number} ".encode() + os.urandom(BODY_BYTES - 16))
    return folder


def command(hub: Hub, folder: Path, token: str, slug: str) -> list[str]:
    where = ["--url", f"http://127.0.0.1:{hub.port}", "--token", token, "--workspace", slug]
    return [sys.executable, "-m", "memoryhub", "sync", str(folder), *where]


def sync(hub: Hub, folder: Path, token: str, slug: str) -> float:
    """Seconds of one `memoryhub sync`."""
    began = time.monotonic()
    subprocess.run(command(hub, folder, token, slug), cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def sync_measured(hub: Hub, folder: Path, token: str) -> tuple[int, float]:
    """The largest resident size of one `memoryhub sync`, and its seconds."""
    began = time.monotonic()
    process = subprocess.Popen(
        command(hub, folder, token, "default"), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    assert process.wait() == 0
    return peak, time.monotonic() - began
