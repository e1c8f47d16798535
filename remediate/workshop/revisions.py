"""A policy by its name, its file, or its file in a revision of git: `policies/mine.toml@main`.

Knows git by its command alone, and nothing of what a policy says.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from remediate.errors import PolicyError, printable
from remediate.loading import load_policy, parse_policy
from remediate.policy import Policy

__all__ = ["load_revision"]

_AT_REVISION: Final = re.compile(r"(?P<file>.+\.toml)@(?P<revision>.+)", re.DOTALL)
_LONGEST_S: Final = 30.0


def load_revision(operand: str) -> Policy:
    """Read a shipped policy by name, a file, or ``FILE.toml@REVISION`` as git has it.

    A file that is really called so is read as it is.

    Raises:
        PolicyError: it can't be found or read, git does not have it, or its form is wrong.
    """
    found = _AT_REVISION.fullmatch(operand)
    if found is None:
        return load_policy(operand)
    if _exists(operand):
        return load_policy(Path(operand))
    file = Path(found["file"])
    return parse_policy(_shown(file, found["revision"], operand), source=printable(f"{file.name}@{found['revision']}"))


def _exists(operand: str) -> bool:
    try:
        return Path(operand).is_file()
    except (OSError, ValueError):  # no file can have such a name
        return False


def _shown(file: Path, revision: str, operand: str) -> bytes:
    """The bytes of a file in a revision."""
    if revision.startswith("-"):
        raise PolicyError(printable(operand), [f"`{printable(revision)}` is no revision"])
    folder = file.parent if file.is_absolute() else Path()
    path = file.name if file.is_absolute() else file.as_posix()
    command = ["git", "-C", str(folder), "cat-file", "blob", f"{revision}:./{path}"]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=False)  # noqa: S603  # no shell
    except FileNotFoundError:
        raise PolicyError(printable(operand), ["can't be read: git is not installed"]) from None
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        raise PolicyError(printable(operand), [f"can't be read: {printable(str(error))}"]) from None
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or ["git does not have it"]
        raise PolicyError(printable(operand), [f"can't be read: {printable(said[0].removeprefix('fatal: '))}"])
    return ran.stdout
