"""The sandbox in-process, on a port, and from the command line."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from types import ModuleType
from urllib.parse import urlsplit

import httpx
import pytest

from remediate import InputError
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, control, serving
from remediate.upstreams.layer.sandbox.server import serve
from tests import commands
from tests.layer_calls import CREDENTIALS, FORM, LAPSED, Caller, calling, exchange, path_of

COMMAND = [sys.executable, "-W", "error", "-m", "remediate", "sandbox"]


# In-process.


def test_it_is_called_in_process_too(client: ModuleType) -> None:
    sandbox = Sandbox(patience_s=0.1)
    sandbox.add("a/..%2F", LAPSED)

    async def work() -> None:
        transport = client.ASGITransport(app=sandbox.app)
        async with client.AsyncClient(transport=transport, base_url="http://layer.test") as http:
            token = (await http.post("/oauth2/token", auth=CREDENTIALS, data=FORM)).json()["access_token"]
            http.headers["authorization"] = f"Bearer {token}"
            path = path_of("connection-status", "a/..%2F")
            assert (await http.get(path)).json()["data"]["last_sync_status"] == "SYNC_FAILURE"
            url = (await http.post(path_of("authorize", "a/..%2F"))).json()["data"]["redirect_url"]
            assert url.startswith("http://layer.test/_sandbox/")
            assert (await http.get(url)).status_code == 200
            for hostility in (Hostility.HANG, Hostility.RESET_BEFORE, Hostility.RESET_AFTER):
                sandbox.disturb("a/..%2F", hostility)
                with pytest.raises(ConnectionResetError):
                    await http.get(path)
            for hostility in (Hostility.TRUNCATED, Hostility.SLOW, Hostility.ENDLESS, Hostility.HTML):
                sandbox.disturb("a/..%2F", hostility)
                assert (await http.get(path)).status_code == 200
            assert sandbox.mend("a/..%2F", "customer") is False

    asyncio.run(work())


# Serving.


def test_it_stops_at_once_whatever_hangs_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    for hostility in (Hostility.HANG, Hostility.SLOW, Hostility.ENDLESS):
        sandbox.disturb("b", hostility, call="status")
    ends: list[str] = []

    def call(url: str, token: str) -> None:
        ends.append(exchange(url, token, "connection-status", longest_s=10)[1])

    with calling(sandbox) as layer:
        to = str(layer.http.base_url), layer.http.headers["authorization"]
        threads = [threading.Thread(target=call, args=to) for _ in range(3)]
        for thread in threads:
            thread.start()
        while sandbox.report().total.status_calls < 3:
            time.sleep(0.01)
        time.sleep(0.05)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    for thread in threads:
        thread.join()
    assert len(ends) == 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(InputError, match="loopback"), serving(Sandbox(), host=host):
        pass
    with pytest.raises(InputError, match="loopback"):
        serve(Sandbox(), 0, print, host=host)


def test_the_port_that_was_asked_for_is_served_and_is_taken_then() -> None:
    with serving(Sandbox(), host="localhost") as url:
        port = urlsplit(url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"), serving(Sandbox(), port=port):
            pass
    with serving(Sandbox(), port=port) as again:
        assert again == url


def test_many_callers_at_once_are_all_counted() -> None:
    sandbox = Sandbox(calls_per_s=None, accepts_overlaps=True)
    sandbox.add("b")

    async def work(url: str, token: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers={"authorization": token}, trust_env=False) as http:
            await asyncio.gather(*(http.post(path_of("sync-from")) for _ in range(60)))

    with calling(sandbox) as layer:
        asyncio.run(work(str(layer.http.base_url), layer.http.headers["authorization"]))
    told = sandbox.report().businesses["b"]
    assert (told.triggers_accepted, told.overlapping, told.max_in_flight) == (60, 59, 60)


def test_the_sandbox_is_no_part_of_what_users_import() -> None:
    script = "import sys, remediate.upstreams.layer; remediate.decide({}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if "sandbox" in name or name in ("starlette", "uvicorn", "asyncio")]
    script = "import sys; from remediate.upstreams.layer.sandbox import Sandbox; Sandbox(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"starlette", "uvicorn", "asyncio"} & set(loaded)


# From the command line.


@contextmanager
def commanded(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, dict[str, str]]]:
    """The command, its URL, and the settings and the call that it tells."""
    environment = {**os.environ, "NO_COLOR": "1"}
    started = [*COMMAND, "--port", "0", *map(str, arguments)]
    with subprocess.Popen(started, stdout=PIPE, stderr=PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            told = "".join(iter(process.stdout.readline, "End it with Ctrl-C.\n"))
            settings = dict(re.findall(r"(LAYER_\w+)=(\S+)", told))
            yield process, url, settings | dict(re.findall(r"^  (curl) (.+)$", told, re.MULTILINE))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal_and_then_reports(number: signal.Signals) -> None:
    with commanded("--count", "3", "--accept-overlaps") as (process, url, told):
        assert told["LAYER_ENVIRONMENT"] == url
        assert (told["LAYER_CLIENT_ID"], told["LAYER_CLIENT_SECRET"]) == CREDENTIALS
        with httpx.Client(base_url=url, trust_env=False) as http:
            layer = Caller(http)
            assert layer.status("business-0001").status_code == 200
            assert layer.status("business-0004").status_code == 404
            assert [layer.post("sync-from", "business-0003").status_code for _ in range(2)] == [200, 200]
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert re.search(r"^triggers_accepted +2$", out, re.MULTILINE)
    assert "business-0003: 2 futile, 1 overlapping" in out


def test_the_command_reads_businesses_and_its_clock_runs_faster(tmp_path: Path) -> None:
    file = tmp_path / "mine.ndjson"
    file.write_text('{"id": "x", "troubles": [{"reason": "NEW", "heals_after_s": 0.1}]}\n\n{"id": "y"}\n')
    with commanded("--businesses", file, "--speed", "1000") as (process, url, _):
        with httpx.Client(base_url=url, trust_env=False) as http:
            layer = Caller(http)
            assert layer.post("sync-from", "x").status_code == 200
            time.sleep(0.05)
            assert layer.status("x").json()["data"]["last_sync_status"] == "SYNC_SUCCESS"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_the_call_that_the_command_tells_makes_an_outage_and_its_opposite_ends_it() -> None:
    with commanded("--count", "1") as (process, _, told), httpx.Client(trust_env=False) as http:
        layer = Caller(httpx.Client(base_url=told["LAYER_ENVIRONMENT"], trust_env=False))
        assert layer.status("business-0001").status_code == 200
        option, method, url, data, body = shlex.split(told["curl"])
        assert (option, data) == ("-X", "-d")
        assert http.request(method, url, content=body).status_code == 200
        assert [layer.status("business-0001").status_code for _ in range(3)] == [503] * 3
        assert http.request(method, url, content='{"hostilities": []}').status_code == 200
        assert layer.status("business-0001").status_code == 200
        layer.http.close()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def test_the_help_names_every_path_that_makes_trouble() -> None:
    told = " ".join(run("--help").stdout.split())
    paths = re.findall(r"^(PUT|POST|GET) +(\S+)", str(control.__doc__), re.MULTILINE)
    assert len(paths) == 5
    for method, path in paths:
        assert f"{method} {path.replace('{id}', 'ID')}" in told


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return commands.run("sandbox", *arguments, columns=200)


def test_bad_businesses_are_all_told_and_nothing_is_served(tmp_path: Path) -> None:
    file = tmp_path / "mine.ndjson"
    file.write_text('{"id": "x"}\n{"id": "x"}\n\n{"troubles": []}\nnope\n{"id": "y", "troubles": [{"kind": "stck"}]}\n')
    ran = run("--businesses", file)
    assert (ran.returncode, ran.stdout) == (1, "")
    second, fourth, fifth, sixth = ran.stderr.splitlines()
    assert second.endswith("line 2: `id`: the same as in line 1")
    assert fourth.endswith("line 4: the key `id` is missing")
    assert "line 5: not JSON" in fifth
    assert "line 6: `troubles.0.kind`: unknown value `stck` (did you mean `stuck`?)" in sixth


def test_wrong_usage_of_the_command_exits_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in (
            (("--businesses", "nowhere.ndjson"), "nowhere.ndjson: can't be read: No such file"),
            (("--businesses", "x", "--count", "3"), "--count is for a sandbox without a file"),
            (("--speed", "0"), "--speed: expected a finite number above 0"),
            (("--port", "70000"), "less than or equal to 65535"),
            (("--port", port), f"port {port}: can't be had: Address already in use"),
        ):
            ran = run(*arguments)
            assert (ran.returncode, ran.stdout) == (2, ""), arguments
            assert said in ran.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_command_names_it(missing: str) -> None:
    script = f"import sys; sys.modules['{missing}'] = None; from remediate.cli.app import main; main()"
    command = [sys.executable, "-W", "error", "-c", script, "sandbox", "--port", "0"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, env={**os.environ, "COLUMNS": "200"})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "pip install 'remediate-engine[demo]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_command_has_help_with_an_example() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    assert "Example: remediate sandbox" in ran.stdout
