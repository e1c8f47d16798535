"""The command as the tests call it: inside this process where that tells as much, else as a process of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from typing import TextIO

import pytest

from remediate.cli.app import main
from tests.thoroughness import WHOLE

COMMAND = [sys.executable, "-m", "remediate"]


def run(
    *arguments: str | Path, stdin: str | bytes = "", columns: int | str = 120, folder: Path | None = None
) -> CompletedProcess[str]:
    """The command's exit status and what it wrote; in whole runs each time as a process."""
    return (run_process if WHOLE else run_inside)(*arguments, stdin=stdin, columns=columns, folder=folder)


def run_process(
    *arguments: str | Path, stdin: str | bytes = "", columns: int | str = 120, folder: Path | None = None
) -> CompletedProcess[str]:
    """The command as a process, over pipes."""
    environment = {**os.environ, **_terminal(columns)}
    command = [sys.executable, "-W", "error", "-m", "remediate", *map(str, arguments)]
    ran = subprocess.run(command, input=_bytes(stdin), capture_output=True, env=environment, cwd=folder)
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    return CompletedProcess(arguments, ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def run_inside(
    *arguments: str | Path, stdin: str | bytes = "", columns: int | str = 120, folder: Path | None = None
) -> CompletedProcess[str]:
    """The console script's function, with streams of its own; what it raises is raised."""
    with ExitStack() as opened, pytest.MonkeyPatch.context() as patched:
        quiet = logging.getLogger("httpx")  # as `remediate run` makes it
        opened.callback(quiet.setLevel, quiet.level)
        if folder is not None:
            patched.chdir(folder)
        for name, value in _terminal(columns).items():
            patched.setenv(name, value)
        stdin_, out, err = (opened.enter_context(TemporaryFile("w+", encoding="utf-8", newline="")) for _ in range(3))
        stdin_.buffer.write(_bytes(stdin))
        stdin_.seek(0)
        for name, stream in (("stdin", stdin_), ("stdout", out), ("stderr", err)):
            patched.setattr(sys, name, stream)
        patched.setattr(sys, "argv", ["remediate", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = [_whole(stream) for stream in (out, err)]
    assert ended.value.code is None or isinstance(ended.value.code, int)
    return CompletedProcess(arguments, ended.value.code or 0, *said)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _terminal(columns: int | str) -> dict[str, str]:
    return {"COLUMNS": str(columns), "TERM": "dumb", "NO_COLOR": "1"}


def _whole(stream: TextIO) -> str:
    stream.flush()
    stream.buffer.seek(0)
    return stream.buffer.read().decode()
