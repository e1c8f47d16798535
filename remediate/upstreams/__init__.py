"""The upstreams that are known: one folder each, found by its name.

A folder offers `UPSTREAM`, an :class:`Upstream`; nothing else here or in the core names one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from pathlib import Path
from typing import Protocol

import attrs

from remediate.errors import PolicyError, did_you_mean, printable
from remediate.history import History
from remediate.observation import Observation, Shape, shape_of

__all__ = ["Client", "Connect", "Payload", "Published", "Record", "Upstream", "find_upstream", "upstream_names"]

Payload = bytes | bytearray | memoryview | str | Mapping[str, object]
"""What an upstream sent: JSON as bytes or text, or the object it stands for."""


@attrs.frozen(kw_only=True)
class Record:
    """An observation with what came beside it.

    Attributes:
        observation: what was observed.
        history: what happened before; None: nothing is known.
        key: whose connection it is; None: not said.
    """

    observation: Observation
    history: History | None = None
    key: str | None = None


@attrs.frozen(kw_only=True)
class Published:
    """Where an observation's vocabulary is published: one component schema of an OpenAPI document.

    A field of the observation that does not stand beside it is the property of its name.

    Attributes:
        schema: the schema's name in `components.schemas`.
        ignored: properties that are known and decide nothing; default none.
    """

    schema: str
    ignored: tuple[str, ...] = ()


class Client(Protocol):
    """An upstream's calls about one connection."""

    async def observe(self, key: str, /) -> Observation:
        """Ask for the status, once."""

    async def sync(self, key: str, /) -> Observation:
        """Trigger a sync, once; an answer that describes the connection says that it was accepted."""


Connect = Callable[[], AbstractAsyncContextManager[Client]]
"""A client with credentials from the process's environment; raises ConfigurationError."""


@attrs.frozen(kw_only=True)
class Upstream:
    """What the engine needs to know of an upstream.

    Attributes:
        name: as policies name it.
        observations: the classes of its observations, one a kind.
        plain: bytes to an observation that has nothing beside it, fast; None where it is another
            shape or can't be read, which `read` then says.
        read: a payload to a record; raises InputError and nothing else.
        write: a record to the object that reads back as it; only known fields are in it.
        examples: observations in which a published value decides, for explanations; none for a
            word that is not published.
        words: every published value that `examples` knows.
        beside: fields of the observations that stand beside them in a record: they come with an answer
            and are not in it, as a header; default: `retry_after_s`.
        connect: a client; None: there is none, and whoever observes and syncs brings their own.
        published: where the vocabulary is published, by kind of observation; default: nowhere that is known.
    """

    name: str
    observations: tuple[type[Observation], ...]
    plain: Callable[[bytes], Observation | None]
    read: Callable[[Payload], Record]
    write: Callable[[Record], dict[str, object]]
    examples: Callable[[str], tuple[Observation, ...]]
    words: tuple[str, ...]
    beside: tuple[str, ...] = ("retry_after_s",)
    connect: Connect | None = None
    published: Mapping[str, Published] = attrs.field(factory=dict)

    @property
    def shapes(self) -> dict[str, Shape]:
        """What a policy may ask of each kind of observation."""
        return {cls.kind: shape_of(cls) for cls in self.observations}


def upstream_names() -> tuple[str, ...]:
    """The names of the upstreams that are known, sorted."""
    folders = Path(__file__).parent.iterdir()
    return tuple(sorted(folder.name for folder in folders if (folder / "__init__.py").is_file()))


def find_upstream(name: str, source: str) -> Upstream:
    """The upstream of this name.

    Args:
        name: as a policy names it.
        source: the policy, for the message.

    Raises:
        PolicyError: there is none.
    """
    known = upstream_names()
    if name not in known:
        raise PolicyError(source, [f"upstream: unknown upstream `{printable(name)}`{did_you_mean(name, known)}"])
    found: Upstream = import_module(f"{__name__}.{name}").UPSTREAM
    return found
