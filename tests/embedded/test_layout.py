"""The data directory: places, modes, locks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memoryhub.embedded import accounts
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import HubLock, Layout, data_directory, is_running
from tests.embedded.marks import as_root


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    "option, named, environment, expected",
    [
        (Path("/srv/hub"), "/other", {}, "/srv/hub"),
        (None, "/other", {"XDG_DATA_HOME": "/xdg"}, "/other"),
        (None, "", {"XDG_DATA_HOME": "/xdg"}, "/xdg/memoryhub"),
        (Path("relative"), "", {}, str(Path.cwd() / "relative")),
    ],
)
def test_the_option_wins_over_the_setting(
    option: Path | None, named: str, environment: dict[str, str], expected: str
) -> None:
    assert str(data_directory(option, named, environment)) == expected


def test_without_any_word_the_data_lies_in_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert str(data_directory(None, "", {})) == "/home/somebody/.local/share/memoryhub"


def test_a_new_data_directory_keeps_its_secrets_to_its_owner(tmp_path: Path) -> None:
    places = Layout(tmp_path / "a" / "hub")

    places.prepare()

    passable = 0o711 if os.geteuid() == 0 else 0o700
    assert (mode(places.data), mode(places.run)) == (passable, passable)
    assert (mode(places.secrets), mode(places.logs), mode(places.blobs)) == (0o700, 0o700, 0o700)


def test_a_data_directory_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    places = Layout(tmp_path / "hub")
    places.data.mkdir(mode=0o750)

    places.prepare()

    assert mode(places.data) == 0o750


@as_root
def test_a_data_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    places = Layout(tmp_path / "hub")
    places.data.mkdir()
    os.chown(places.data, 12345, 12345)

    with pytest.raises(HubError, match="belongs to user id 12345"):
        places.prepare()

    assert list(places.data.iterdir()) == []


def test_a_file_in_the_place_of_the_data_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(HubError, match="cannot be used: Not a directory"):
        Layout(tmp_path / "file" / "hub").prepare()


def test_a_lock_is_held_by_one_process(tmp_path: Path) -> None:
    places = Layout(tmp_path)
    lock = HubLock(places.lock_file)

    assert not is_running(places)
    assert lock.acquire()
    assert is_running(places)
    lock.release()
    assert not is_running(places)


def test_a_lock_goes_with_its_killed_holder(tmp_path: Path) -> None:
    places = Layout(tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from memoryhub.embedded.layout import HubLock\n"
        "lock = HubLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", program, str(places.lock_file)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert is_running(places)

        holder.kill()
        holder.wait()

    assert not is_running(places)


def test_the_cluster_lies_in_the_data_directory_where_its_account_can_reach_it(open_directory: Path) -> None:
    places = Layout(open_directory / "hub")
    places.prepare()

    assert places.cluster_place(accounts.for_postgres(), 18) == places.data / "pg18"
    assert not places.cluster_record.exists()


@as_root
def test_below_a_closed_directory_the_cluster_lies_elsewhere_and_no_mode_is_changed(open_directory: Path) -> None:
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    state = open_directory / "state"
    places = Layout(closed / "hub", system_state=state)
    places.prepare()

    place = places.cluster_place(accounts.for_postgres(), 18)

    assert place.parent.parent == state
    assert len(place.parent.name) == 16
    assert places.cluster_record.read_text() == f"{place.parent}\n"
    assert (mode(closed), mode(place.parent), mode(state)) == (0o700, 0o700, 0o755)
    assert place.parent.stat().st_uid == accounts.for_postgres().uid
    # Asked again, it is the recorded place, also after the way has been opened.
    closed.chmod(0o755)
    assert places.cluster_place(accounts.for_postgres(), 18) == place


def test_a_cluster_of_another_major_version_is_told(open_directory: Path) -> None:
    places = Layout(open_directory / "hub")
    places.prepare()
    (places.data / "pg17").mkdir()
    (places.data / "pg17" / "PG_VERSION").write_text("17\n")

    with pytest.raises(HubError, match="is of PostgreSQL 17; the programs found are of version 18"):
        places.cluster_place(accounts.for_postgres(), 18)


def test_sockets_lie_in_the_data_directory(open_directory: Path) -> None:
    places = Layout(open_directory / "hub")
    places.prepare()
    account = accounts.for_postgres()

    postgres, valkey = places.postgres_sockets(account, places.data), places.valkey_sockets()

    assert (postgres, valkey) == (places.run / "pg-socket", places.run / "valkey")
    assert (mode(postgres), postgres.stat().st_uid) == (0o700, account.uid)
    assert (mode(valkey), valkey.stat().st_uid) == (0o700, os.geteuid())


def test_sockets_move_to_a_short_directory_where_their_path_would_be_too_long(open_directory: Path) -> None:
    places = Layout(open_directory / ("d" * 90))
    places.prepare()

    sockets = places.valkey_sockets()

    try:
        assert len(os.fsencode(sockets / "valkey.sock")) < 107
        assert places.socket_record.read_text() == f"{sockets.parent}\n"
        assert places.valkey_sockets() == sockets
        copy = Layout(open_directory / ("e" * 90))
        shutil.copytree(places.data, copy.data)
        other = copy.valkey_sockets()
        assert other != sockets
        shutil.rmtree(other.parent)
    finally:
        shutil.rmtree(sockets.parent)


def test_a_short_directory_that_others_can_write_to_is_not_used_again(open_directory: Path) -> None:
    places = Layout(open_directory / ("d" * 90))
    places.prepare()
    first = places.valkey_sockets()
    first.parent.chmod(0o777)

    second = places.valkey_sockets()

    assert second != first
    shutil.rmtree(first.parent)
    shutil.rmtree(second.parent)
