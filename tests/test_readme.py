"""What the README shows is what happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from remediate import Engine

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> str:
    (folder / "bin").mkdir(exist_ok=True)
    remediate = folder / "bin" / "remediate"
    remediate.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m remediate "$@"\n')
    remediate.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    ran = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
    return "\n".join(line.rstrip() for line in (ran.stdout + ran.stderr).splitlines())


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs_as_it_stands(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("block", blocks("console"))
def test_commands_print_what_is_shown(block: str, tmp_path: Path) -> None:
    """Exactly, but for a policy's digest."""
    (tmp_path / "careful.toml").write_text(blocks("toml")[0])
    command, _, shown = block.partition("\n")
    assert command.startswith("$ ")
    printed = run(command.removeprefix("$ "), tmp_path)
    printed = printed.replace(Engine.bundled().policy.sha256, "SHA256")
    assert printed == shown.rstrip("\n")
    assert shown.strip()


def test_the_policy_in_the_readme_is_a_policy(tmp_path: Path) -> None:
    file = tmp_path / "careful.toml"
    file.write_text(blocks("toml")[0])
    engine = Engine.load(file)
    assert engine.decide({"last_sync_status": "SYNC_SUCCESS"}).rule == "well"
    assert f"[{len(blocks('toml'))}]" == "[1]"


def test_the_matrix_is_what_the_policy_answers(tmp_path: Path) -> None:
    shown = re.search(r"<!-- the default matrix: (.*) -->\n(.*)<!-- end of the default matrix -->", README, re.DOTALL)
    assert shown is not None
    assert shown.group(2).strip() in run(shown.group(1), tmp_path)
    assert "QUICKBOOKS_UNKNOWN_EXCEPTION" in shown.group(2)


def test_the_json_in_the_table_of_shapes_is_read() -> None:
    engine = Engine.bundled()
    examples = re.findall(r"`(\{.*?\})`[,| ]", README)
    assert len(examples) >= 5
    for example in examples:
        if 'error": {' not in example:
            assert engine.decide(json.dumps(json.loads(example))).rule


def test_every_file_that_is_linked_is_there() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
            assert (ROOT / target).exists(), f"{document.name}: {target}"
