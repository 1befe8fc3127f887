"""Three machines, a hub, and everything that goes wrong: in the end all are equal and no text is lost."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memoryhub.client import HubError
from tests.client.folder.machines import NOW, Machine
from tests.client.folder.moments import save
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.live import LiveHub, LiveWorkspace
from tests.services import ROOT

ROUNDS = int(os.environ.get("HUB_TEST_ROUNDS", "40"))
PATHS = ["a.md", "b.md", "deep/c.md", "deep/er/d.md", "deep/e f.md", "ü.md"]
FAULTS = [fault for fault in Fault if fault not in (Fault.HANG, Fault.STATUS_500)]
LAST_STEP = 120


class World:
    """The machines and what anybody has ever saved. A text counts once a sync that ended has seen it."""

    def __init__(self, machines: list[Machine], workspace: LiveWorkspace, chance: random.Random) -> None:
        self.machines = machines
        self.chance = chance
        self.saved: set[str] = set()
        self.purged: set[str] = set()
        self._workspace = workspace
        self._lines = 0

    def edit(self, machine: Machine) -> None:
        path = self.chance.choice(PATHS)
        if (machine.root / path).is_dir():
            return
        before = machine.files.get(path)
        if before is None:
            machine.write(path, "".join(self.line() for _ in range(8)))
            return
        lines = before.splitlines(keepends=True) or [self.line()]
        lines[self.chance.randrange(len(lines))] = self.line()
        machine.write(path, "".join(lines))
        # Clocks are wrong, and some programs set the time of what they write.
        skew = self.chance.choice([0, -86_400, 86_400])
        if skew:
            os.utime(machine.root / path, (NOW.timestamp() + skew + self._lines,) * 2)

    def line(self) -> str:
        self._lines += 1
        return f"line {self._lines}\n"

    def delete(self, machine: Machine) -> None:
        if paths := sorted(machine.files):
            machine.remove(self.chance.choice(paths))

    def rename(self, machine: Machine) -> None:
        if paths := sorted(machine.files):
            target = machine.root / self.chance.choice(PATHS)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                (machine.root / self.chance.choice(paths)).rename(target)

    def sync(self, machine: Machine) -> None:
        texts = set(machine.files.values())
        skew = timedelta(days=self.chance.choice([0, -400, 400]))
        machine.folder(deletes_limit=None, now=lambda: datetime.now(UTC) + skew).sync()
        self.saved |= texts

    def busy_sync(self, machine: Machine) -> None:
        """Somebody saves files while the sync runs: each once, so that nobody but the sync could lose a text."""
        saves = {path: self.line() for path in self.chance.sample(PATHS, 3)}
        texts = {text for path, text in machine.files.items() if path not in saves}
        delays_s = [self.chance.uniform(0, 0.06) for _ in saves]

        def edit() -> None:
            for (path, text), delay_s in zip(saves.items(), delays_s, strict=True):
                time.sleep(delay_s)
                save(machine.root / path, text)

        editor = threading.Thread(target=edit)
        editor.start()
        machine.folder(deletes_limit=None, now=lambda: datetime.now(UTC)).sync()
        editor.join()
        self.check(machine, texts | set(saves.values()))

    def killed_sync(self, machine: Machine) -> None:
        texts = set(machine.files.values())
        killed_at(machine, self._workspace, self.chance.randrange(1, LAST_STEP))
        self.check(machine, texts)

    def shaky_sync(self, machine: Machine, proxy: FaultyProxy) -> None:
        texts = set(machine.files.values())
        shaky = Machine(machine.root, self._workspace, machine.name, url=proxy.url)
        fault, times = self.chance.choice(FAULTS), self.chance.randrange(1, 8)
        try:
            with proxy.failing(fault, times=times):
                shaky.sync(deletes_limit=None)
        except HubError:
            pass
        finally:
            shaky.client.close()
        self.check(machine, texts)

    def check(self, machine: Machine, texts: set[str]) -> None:
        """A sync that did not end well may leave a text anywhere, but not lose it; afterwards somebody may edit it."""
        if missing := texts - {*machine.files.values(), *machine.trash.values()}:
            assert missing - self.kept() == set()

    def settle(self) -> dict[str, str]:
        """What all folders hold once everybody has had a say often enough."""
        for _ in range(6):
            for machine in self.machines:
                self.sync(machine)
            if all(not machine.folder().plan().steps for machine in self.machines):
                break
        files = self.machines[0].files
        for machine in self.machines[1:]:
            assert machine.files == files
        return files

    def kept(self) -> set[str]:
        """Every text that somebody can still get at."""
        client = self.machines[0].client
        texts = {text for machine in self.machines for text in (*machine.files.values(), *machine.trash.values())}
        for file in client.index(tombstones=True).files:
            for row in client.history(file.path, limit=1000).items:
                if not row.is_deleted:
                    texts.add(client.read(file.path, version=row.version).decode())
        return texts


def killed_at(machine: Machine, workspace: LiveWorkspace, step: int) -> bool:
    """Runs a sync that is killed at a step. False when it ended before."""
    where = [str(machine.root), workspace.hub_url, workspace.token, workspace.slug, str(step)]
    command = [sys.executable, "-m", "tests.client.folder.killed", *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


@pytest.fixture
def machines(tmp_path: Path, workspace: LiveWorkspace) -> Iterator[list[Machine]]:
    machines = [Machine(tmp_path / name, workspace, name) for name in ("anna", "bert", "cleo")]
    yield machines
    for machine in machines:
        machine.client.close()


@pytest.mark.parametrize("seed", range(3))
def test_in_the_end_all_are_equal_and_no_text_is_lost(
    machines: list[Machine], workspace: LiveWorkspace, live_hub: LiveHub, proxy: FaultyProxy, seed: int
) -> None:
    world = World(machines, workspace, random.Random(seed))
    steps: list[tuple[int, Callable[[Machine], None]]] = [
        (10, world.edit),
        (2, world.delete),
        (2, world.rename),
        (8, world.sync),
        (4, world.busy_sync),
        (2, world.killed_sync),
        (2, lambda machine: world.shaky_sync(machine, proxy)),
    ]
    for number in range(ROUNDS):
        (step,) = world.chance.choices([step for _, step in steps], [weight for weight, _ in steps])
        step(world.chance.choice(machines))
        if number == ROUNDS // 2:
            assert live_hub.command("epoch", "renew").returncode == 0

    files = world.settle()

    assert {file.path for file in machines[0].client.index().files} == set(files)
    assert world.saved - world.kept() == set()


def test_a_purged_history_takes_no_more_than_was_purged(
    machines: list[Machine], workspace: LiveWorkspace, live_hub: LiveHub
) -> None:
    world = World(machines, workspace, random.Random(7))
    a, b, c = machines
    for text in ("one\n", "two\n"):
        a.write("a.md", text)
        world.settle()
    b.remove("a.md")
    world.sync(b)
    c.write("a.md", "three\n")

    token = live_hub.command("token", "issue", workspace.slug, "--scope", "workspace:admin", "--scope", "files:read")
    with LiveWorkspace(workspace.hub_url, workspace.slug, token.stdout.strip()).client() as owner:
        answer = owner.post("/files:purge", json={"path": "a.md", "confirm": "a.md"})
    files = world.settle()

    assert answer.status_code == 200, answer.text
    assert files == {"a.md": "three\n"}
    assert world.saved - world.kept() <= {"one\n"}


@pytest.mark.system
def test_a_sync_can_be_killed_at_every_step(machines: list[Machine], workspace: LiveWorkspace) -> None:
    a, b, _ = machines
    world = World([a, b], workspace, random.Random(1))
    step = 1
    while True:
        for path, text in (("up.md", "1\n2\n3\n"), ("gone.md", "x\n"), ("both.md", "1\n2\n3\n"), ("same.md", "1\n")):
            a.write(path, text + f"{step}\n")
        world.settle()
        a.write("up.md", f"up {step}\n")
        a.remove("gone.md")
        a.write("both.md", f"a {step}\n2\n3\n{step}\n")
        a.write("same.md", f"a {step}\n")
        b.write("both.md", f"1\n2\n3\n{step}\nb\n")
        b.write("same.md", f"b {step}\n")
        b.write("down.md", f"down {step}\n")
        a.write("thing/inner.md", f"in the folder {step}\n")
        b.write("thing", f"the file {step}\n")
        world.sync(b)
        texts = set(a.files.values()) | set(b.files.values())

        was_killed = killed_at(a, workspace, step)
        files = world.settle()

        assert texts - world.kept() == set(), f"killed at step {step}"
        assert "gone.md" not in files
        assert files["up.md"] == f"up {step}\n"
        assert files["thing/inner.md"] == f"in the folder {step}\n"
        assert f"the file {step}\n" in files.values()
        assert files["both.md"] == f"a {step}\n2\n3\n{step}\nb\n"
        assert f"a {step}\n" in files.values()
        assert f"b {step}\n" in files.values()
        if not was_killed:
            break
        for path in list(files):
            a.remove(path)
        step += 1
    assert step > 20
