"""Child processes that end with their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from memoryhub.embedded.accounts import Account

PR_SET_PDEATHSIG = 1
STANDARD_ERROR = 2
ROOT_DIRECTORY = Path("/")
LARGEST_LOG_BYTES = 8 * 1024 * 1024
# Loaded before any fork: the code between fork and exec may not import or allocate much.
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent_pid: int, signal_number: int = signal.SIGTERM) -> None:
    """Has the kernel signal this process when the thread that forked it ends. Ends it now where that has happened.

    Linux only; elsewhere the next start of the hub finds and stops what was left behind.
    """
    if LIBC is None:
        return
    LIBC.prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal_number)


def _before_exec(parent_pid: int, death_signal: int) -> Callable[[], None]:
    def prepare() -> None:
        # After the change of account: the kernel forgets the death signal with the old credentials.
        die_with_parent(parent_pid, death_signal)

    return prepare


def _opened(log: Path | None) -> AbstractContextManager[IO[bytes] | int]:
    """The log to add to, started anew when it has grown large, or standard error."""
    if log is None:
        return nullcontext(STANDARD_ERROR)
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.rename(log.with_name(f"{log.name}.1"))
    return log.open("ab")


class Child:
    """A program of ours that runs: its own session, so that a terminal's Ctrl-C reaches only the parent."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        account: Account,
        log: Path | None = None,
        directory: Path = ROOT_DIRECTORY,
        stop_signal: int = signal.SIGTERM,
        waits_for_go: bool = False,
        answers: bool = False,
    ) -> None:
        """Starts the program. Call from the main thread: a child lives as long as the thread that made it.

        Output is added to the file `log`, or goes to this process's own standard error. With `waits_for_go` its
        standard input is a pipe for `go()`; with `answers` its standard output is one for `answer()`.
        """
        self.name = name
        self.stop_signal = stop_signal
        self.started_at = time.monotonic()
        with _opened(log) as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.PIPE if waits_for_go else subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_before_exec(os.getpid(), stop_signal),
                **account.popen_arguments(),
            )
        self.pid = self._process.pid

    def go(self) -> None:
        """Tells a child that waits that everything it needs is there. A child that has died is no error here."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def answer(self) -> bytes:
        """All that the program writes until it ends, which this waits for."""
        assert self._process.stdout is not None, "this child was not started with answers=True"
        with self._process.stdout as stream:
            text: bytes = stream.read()
        self._process.wait()
        return text

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -n when signal n ended it."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> bool:
        """True when the program has ended within the time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, grace_s: float) -> None:
        """Asks it to end, and after `grace_s` kills it with all that it started."""
        if self.exit_code is None:
            self._process.send_signal(self.stop_signal)
            self.wait(grace_s)
        self.kill_session()
        self._process.wait()
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def kill_session(self) -> None:
        """Kills what is left of the child's process group: workers outlive a main process that was killed."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
