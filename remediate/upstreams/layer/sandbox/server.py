"""A sandbox over HTTP on loopback, and nowhere else: in a thread, or until a signal comes.

Knows uvicorn's protocol for HTTP/1.1, to which it adds the way to the socket that a reset needs.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Final

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from remediate.errors import InputError
from remediate.upstreams.layer.sandbox.app import App
from remediate.upstreams.layer.sandbox.delivery import TRANSPORT
from remediate.upstreams.layer.sandbox.sandbox import Sandbox

__all__ = ["serve", "serving"]

_GRACE_S: Final = 1.0
_KEEP_ALIVE_S: Final = 60
_BACKLOG: Final = 512


class _Protocol(H11Protocol):
    """HTTP/1.1 whose requests carry their connection's transport in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)


@contextmanager
def serving(sandbox: Sandbox, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve a sandbox from a thread, for as long as the context lasts.

    Args:
        sandbox: what is served.
        port: on which port; default 0: one that is free.
        host: a loopback address; default 127.0.0.1.

    Yields:
        The base URL, without a slash at its end.

    Raises:
        InputError: the host is not loopback.
        OSError: the port can't be had.
    """
    app = sandbox.app
    listening = _listening(host, port)
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    thread = threading.Thread(target=_run, args=(loop, _served(app, listening, stopped)), name="sandbox")
    thread.start()
    try:
        yield _url(listening)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


def serve(sandbox: Sandbox, port: int, announce: Callable[[str], None], host: str = "127.0.0.1") -> None:
    """Serve a sandbox from this thread, the main one, until SIGINT or SIGTERM.

    Args:
        sandbox: what is served.
        port: on which port; 0: one that is free.
        announce: told the base URL as soon as connections are taken.
        host: a loopback address; default 127.0.0.1.

    Raises:
        InputError: the host is not loopback.
        OSError: the port can't be had.
    """
    app = sandbox.app
    listening = _listening(host, port)

    async def until_signalled() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        announce(_url(listening))
        await _served(app, listening, stopped)

    with listening:
        asyncio.run(until_signalled())


def _listening(host: str, port: int) -> socket.socket:
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise InputError("expected a loopback address", field="host") from None
    if not address.is_loopback:
        raise InputError("expected a loopback address", field="host")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # Only where the protocol is said does asyncio send without delay.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(address), port))
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work)


async def _served(app: App, listening: socket.socket, stopped: asyncio.Event) -> None:
    """Serve until stopped; then every connection ends at once, whatever it waits for."""
    config = Config(
        app,
        log_config=None,
        log_level="error",
        access_log=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: _Protocol(config, state, {}), sock=listening)
    try:
        await stopped.wait()
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(set(state.tasks), timeout=_GRACE_S)
