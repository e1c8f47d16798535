"""An answer over an ASGI connection, as it is or as a hostility has it.

Knows ASGI's messages and asyncio, no framework. Where the server gives the connection's transport
in the scope's state, resets are real; without one, as in-process, they raise ConnectionResetError.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from math import ceil
from typing import Any, Final

import attrs

from remediate.upstreams.layer.sandbox.answers import Answer
from remediate.upstreams.layer.sandbox.hostile import Hostility

__all__ = ["TRANSPORT", "Connection"]

TRANSPORT: Final = "transport"
"""Where the transport is, in the scope's state."""

_CHUNK: Final = b" " * 65_536
_CHUNK_EVERY_S: Final = 0.01
_DROP_EVERY_S: Final = 0.05
_NO_LINGER: Final = struct.pack("ii", 1, 0)

_Message = MutableMapping[str, Any]


@attrs.frozen
class Connection:
    """One request's connection.

    Attributes:
        scope: of the request.
        receive: what the client sends; its body has been read.
        send: what it is sent.
        patience_s: the longest that a hang, a slow or an endless answer lasts, seconds of real time.
    """

    scope: _Message
    receive: Callable[[], Awaitable[_Message]]
    send: Callable[[_Message], Awaitable[None]]
    patience_s: float

    async def answer(self, answer: Answer) -> None:
        """Send it as it is."""
        await self._start(answer, len(answer.body))
        await self._more(answer.body, more=False)

    async def disturb(self, hostility: Hostility, answer: Answer) -> None:
        """Carry out a hostility that is more than another answer.

        Raises:
            ConnectionResetError: it ends in a reset, and there is no transport.
        """
        if hostility is Hostility.TRUNCATED:
            await self._truncate(answer)
        elif hostility is Hostility.SLOW:
            await self._stream(answer, len(answer.body), self._drip(answer.body), None)
        elif hostility is Hostility.ENDLESS:
            await self._stream(answer, None, _filler(answer.body), self.patience_s)
        else:
            if hostility is Hostility.HANG:
                await self._until_left(self.patience_s)
            await self._reset()

    @property
    def _transport(self) -> asyncio.WriteTransport | None:
        found: asyncio.WriteTransport | None = self.scope.get("state", {}).get(TRANSPORT)
        return found

    async def _start(self, answer: Answer, length: int | None) -> None:
        headers = dict(answer.headers) if length is None else {**answer.headers, "content-length": str(length)}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": raw})

    async def _more(self, body: bytes, *, more: bool = True) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def _truncate(self, answer: Answer) -> None:
        transport = self._transport
        await self._start(answer, len(answer.body) + 64)
        await self._more(answer.body[: len(answer.body) // 2], more=transport is not None)
        if transport is not None:
            transport.close()
            await self._until_left(self.patience_s)

    async def _stream(
        self, answer: Answer, length: int | None, body: AsyncIterator[bytes], longest_s: float | None
    ) -> None:
        """Send a body in pieces until it ends, the client leaves, or so many seconds have passed."""
        await self._start(answer, length)
        leaving = asyncio.ensure_future(self._until_left(None))
        try:
            async with asyncio.timeout(longest_s):
                async for piece in body:
                    if leaving.done():
                        return
                    await self._more(piece)
        except TimeoutError:
            pass
        finally:
            leaving.cancel()
        await self._more(b"", more=False)

    async def _drip(self, body: bytes) -> AsyncIterator[bytes]:
        """A byte at a time, or a few where patience would not last."""
        drop = ceil(len(body) * _DROP_EVERY_S / self.patience_s)
        for position in range(0, len(body), drop):
            yield body[position : position + drop]
            await asyncio.sleep(_DROP_EVERY_S)

    async def _until_left(self, longest_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                while (await self.receive())["type"] != "http.disconnect":
                    pass

    async def _reset(self) -> None:
        transport = self._transport
        if transport is None:
            raise ConnectionResetError("reset by the sandbox")
        if not transport.is_closing():
            connected = transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        await self._until_left(self.patience_s)


async def _filler(beginning: bytes) -> AsyncIterator[bytes]:
    """The true body, and then white space without end: JSON at every moment, and never whole."""
    yield beginning
    while True:
        yield _CHUNK
        await asyncio.sleep(_CHUNK_EVERY_S)
