"""Two machines keep one folder: they write, meet each other's work, delete, and bring back what was lost."""

import pytest

from tests.live import LiveHub
from tests.walks.machine import Conflict, Machine


def test_two_machines_keep_one_folder_and_lose_nothing(live_hub: LiveHub) -> None:
    workspace = live_hub.workspace()
    with workspace.client() as here, workspace.client() as there:
        laptop, desktop = Machine(here), Machine(there)

        # The laptop fills the folder; the desktop, new to it, takes it over.
        laptop.write("people/ada.md", b"Ada prefers tea.")
        laptop.write("plans/spring.md", b"Plant beans.")
        desktop.join()
        assert desktop.files == {"people/ada.md": b"Ada prefers tea.", "plans/spring.md": b"Plant beans."}

        # Both change the same note. The second learns of the first's work, and writes what holds both.
        desktop.write("people/ada.md", b"Ada prefers coffee.")
        with pytest.raises(Conflict) as refusal:
            laptop.write("people/ada.md", b"Ada prefers tea, at four.")
        assert refusal.value.version == desktop.versions["people/ada.md"]
        laptop.sync()
        assert laptop.files["people/ada.md"] == b"Ada prefers coffee."
        laptop.write("people/ada.md", b"Ada prefers coffee, at four.")

        # A file goes on one machine, and on the other.
        desktop.sync()
        desktop.delete("plans/spring.md")
        laptop.sync()
        assert laptop.files == {"people/ada.md": b"Ada prefers coffee, at four."}

        # It was not meant to go. Its history has it, and both machines get it back.
        kept = [item["version"] for item in laptop.history("plans/spring.md") if not item["is_deleted"]]
        laptop.revert("plans/spring.md", kept[0])
        desktop.sync()
        assert desktop.files == laptop.files
        assert desktop.files["plans/spring.md"] == b"Plant beans."

        # Every version of the note that was written is there, with who wrote it.
        notes = [(item["version"], item["is_deleted"]) for item in desktop.history("people/ada.md")]
        assert notes == [(4, False), (3, False), (1, False)]
        assert desktop.read_version("people/ada.md", 1) == b"Ada prefers tea."
        assert desktop.sync() == laptop.sync() == []


def test_a_machine_that_comes_late_reads_only_what_changed(live_hub: LiveHub) -> None:
    workspace = live_hub.workspace()
    with workspace.client() as here, workspace.client() as there:
        laptop, desktop = Machine(here), Machine(there)
        for number in range(20):
            laptop.write(f"notes/{number:02}.md", f"Note {number}.".encode())
        desktop.join()

        laptop.write("notes/07.md", b"Note 7, corrected.")
        laptop.delete("notes/11.md")
        laptop.write("notes/20.md", b"Note 20.")

        assert desktop.sync() == ["notes/07.md", "notes/11.md", "notes/20.md"]
        assert desktop.files == laptop.files
