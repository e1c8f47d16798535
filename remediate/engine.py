"""The engine: what is observed, to what to do now.

Loads a policy once, then answers; a decision itself touches no file, clock or random source.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from remediate.deciding import Decider
from remediate.decision import Decision
from remediate.episode import Lifecycle
from remediate.errors import InputError
from remediate.explaining import Explanation, explain
from remediate.history import History
from remediate.loading import load_policy
from remediate.observation import Observation
from remediate.policy import Policy
from remediate.proving import proven
from remediate.upstreams import Payload, Record, Upstream, find_upstream

__all__ = ["DEFAULT_POLICY", "Engine", "default_engine"]

DEFAULT_POLICY: Final = "layer-quickbooks"
"""The shipped policy that answers where none is named."""


class Engine:
    """A proven policy, ready to answer. Safe to share between threads.

    Attributes:
        policy: the policy.
        upstream: whose observations it answers.
        deciders: what decides, by kind of observation.
    """

    __slots__ = ("_by_class", "deciders", "policy", "upstream")

    def __init__(self, policy: Policy) -> None:
        """Prove a policy.

        Raises:
            PolicyError: it does not hold; every problem names a rule and shows a combination.
        """
        self.policy = policy
        self.upstream: Upstream = find_upstream(policy.upstream, policy.source)
        compiled = proven(policy, self.upstream.shapes)
        self.deciders = {kind: Decider(compiled, kind) for kind in compiled.sections}
        self._by_class: dict[type[object], Decider] = {
            cls: self.deciders[cls.kind] for cls in self.upstream.observations
        }

    @classmethod
    def bundled(cls, name: str = DEFAULT_POLICY) -> Engine:
        """The engine of a shipped policy.

        Raises:
            PolicyError: no shipped policy has that name.
        """
        return cls.load(name)

    @classmethod
    def load(cls, policy: str | Path) -> Engine:
        """The engine of a policy file, or of a shipped policy by its name.

        Raises:
            PolicyError: it can't be found, read or proven.
        """
        return cls(load_policy(policy))

    @property
    def lifecycle(self) -> Lifecycle:
        """The life of a connection under this policy."""
        return Lifecycle(decide=self.decide, cadence=self.policy.episode)

    def decide(
        self, payload: Payload | Observation | Record, history: History | None = None, key: str | None = None
    ) -> Decision:
        """What to do now. The same arguments give the same decision, in every process.

        Args:
            payload: JSON as bytes or text, the object it stands for, a typed observation, or a record.
            history: what happened before; None: what a record says, else nothing.
            key: whose connection it is, so that its waits are its own; None: what a record says.

        Raises:
            InputError: the payload can't be read, or is no observation of this upstream.
        """
        if history.__class__ is not History and history is not None:
            raise InputError("expected a History", field="history")
        if key.__class__ is not str and not isinstance(key, str | None):
            raise InputError("expected a string", field="key")
        decider = self._by_class.get(payload.__class__)
        if decider is None:
            plain = self.upstream.plain(payload) if isinstance(payload, bytes) else None
            if plain is not None:
                return self._by_class[plain.__class__].decide(plain, history, key)
            record = self.read(payload)
            payload = record.observation
            history = record.history if history is None else history
            key = record.key if key is None else key
            decider = self._decider_of(payload)
        return decider.decide(payload, history, key)  # type: ignore[arg-type]  # the class is an observation's

    def _decider_of(self, observation: Observation) -> Decider:
        for cls in type(observation).__mro__:
            if cls in self._by_class:
                return self._by_class[cls]
        raise InputError(f"`{type(observation).__name__}` is no observation of {self.upstream.name}")

    def explain(
        self, payload: Payload | Observation | Record, history: History | None = None, key: str | None = None
    ) -> Explanation:
        """Why, and what would change it; arguments and errors as for :meth:`decide`."""
        record = self.read(payload)
        decider = self._decider_of(record.observation)
        history = record.history if history is None else history
        return explain(decider, record.observation, history, record.key if key is None else key)

    def read(self, payload: Payload | Observation | Record) -> Record:
        """The record in a payload.

        Raises:
            InputError: it can't be read.
        """
        if isinstance(payload, Record):
            return payload
        if isinstance(payload, Observation):
            return Record(observation=payload)
        return self.upstream.read(payload)


@cache
def default_engine() -> Engine:
    """The engine of the default policy, which is loaded and proven once a process."""
    return Engine.bundled()
