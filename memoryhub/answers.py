"""Streamed answers, to no more clients at once than there are threads for."""

from collections.abc import Iterable, Iterator
from typing import Any

from memoryhub.transfers import Gate


def held(answer: Any, gate: Gate, *, whole_bytes: int) -> Iterable[bytes]:
    """A streamed answer that keeps a place of `gate` until it is closed; one of `whole_bytes` at most comes as a list.

    Raises Busy, with the answer closed.
    """
    chunks, size = iter(answer), 0
    begun: list[bytes] = []
    try:
        while size < whole_bytes:
            if (chunk := next(chunks, None)) is None:
                answer.close()
                return begun
            begun.append(chunk)
            size += len(chunk)
        gate.enter()
    except BaseException:
        answer.close()
        raise
    return HeldAnswer(answer, gate, begun, chunks)


class HeldAnswer:
    """An answer on its way, in a place of `gate`. The server closes it whatever becomes of its client."""

    def __init__(self, answer: Any, gate: Gate, begun: list[bytes], chunks: Iterator[bytes]) -> None:
        self._answer = answer
        self._gate = gate
        self._begun = begun
        self._chunks = chunks
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        yield from self._begun
        yield from self._chunks

    def close(self) -> None:
        """Ends the answer and gives its place back."""
        if self._is_open:
            self._is_open = False
            try:
                self._answer.close()
            finally:
                self._gate.leave()
