"""What the mock provider answers, as values. Knows no socket and no dialect."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

# Prices of every model of the mock, in nanodollars per token; config.toml of the gateway is written from them.
INPUT, CACHED, OUTPUT = 2_000, 500, 8_000


@dataclass(frozen=True)
class Usage:
    """Tokens that the provider bills: `cached` is the part of `input` read from its cache."""

    input: int
    cached: int
    output: int

    @property
    def nanodollars(self) -> int:
        """What the gateway must charge for it."""
        return (self.input - self.cached) * INPUT + self.cached * CACHED + self.output * OUTPUT


class Wait:
    """A step: says nothing until the suite releases the model, or the gateway hangs up."""


class Break:
    """A step: closes the connection in the middle of the answer."""


@dataclass(frozen=True)
class Answer:
    """Steps of one answer; `usage` is billed once the whole of it was written."""

    status: int = 200
    content_type: str = "application/json"
    steps: list[bytes | Wait | Break] = field(default_factory=list)
    usage: Usage | None = None

    @staticmethod
    def json(body: object, status: int = 200, usage: Usage | None = None) -> "Answer":
        """One JSON body."""
        return Answer(status=status, steps=[json.dumps(body).encode()], usage=usage)

    @staticmethod
    def stream(steps: Iterable[bytes | Wait | Break], usage: Usage | None = None) -> "Answer":
        """Server-sent events, one write each."""
        return Answer(content_type="text/event-stream", steps=list(steps), usage=usage)
