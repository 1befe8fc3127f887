"""Servers and limits for the tests of calls that leave the hub."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from werkzeug import Request, Response

from apps.common.http import Limits

LOOPBACK = ["127.0.0.0/8", "::1"]
QUICK = Limits(total_s=10, first_wait_s=0.01)


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hands each connection to `talk`, in a thread of its own; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def sequence(*answers: Response) -> Callable[[Request], Response]:
    """A handler that gives one answer after the other, and the last one for ever."""
    left = list(answers)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]
