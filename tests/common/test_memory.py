"""What a process keeps of the memory that it has freed."""

import subprocess
import sys

from tests.services import ROOT

PROGRAM = """
import ctypes, sys
from pathlib import Path
from apps.common.memory import return_large_blocks

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

if sys.argv[1] == "returned":
    return_large_blocks()
# As packs do: after this one glibc keeps blocks of up to its size.
bytes(20 << 20)
before = resident_mib()
pieces = [bytearray(b"x") * (1 << 20) for _ in range(100)]
# What is still needed lies behind what is not.
kept = pieces[-1]
del pieces
print(resident_mib() - before)
"""


def grown_mib(how: str) -> float:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_large_blocks_go_back_to_the_system() -> None:
    assert grown_mib("returned") < 10
    assert grown_mib("kept") > 50
