"""What the mock provider answers, as values; what it says in every dialect. Knows no socket."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

# Prices of every model of the mock, in nanodollars per token; config.toml of the gateway is written from them.
INPUT, CACHED, WRITTEN, OUTPUT = 2_000, 500, 2_500, 8_000
# Of those that are sold otherwise: per character that is spoken, picture that is drawn, second that is heard.
CHARACTER, PICTURE, SECOND = 15_000, 40_000_000, 100_000

# What its scripts say, call and fill in.
SAID = ["The mock ", "provider ", "speaks: été 🚀"]
CALLS = [("call_1", {"city": "Paris"}), ("call_2", {"city": "Oslo"})]
# What runs a command, as Claude Code and Codex name it, and with what.
RUNNERS = {"Bash": {"command": "echo 5 degrees"}, "exec_command": {"cmd": "echo 5 degrees"}}
CITY = ['{"city": "Paris",', ' "population": 2102650}']


@dataclass(frozen=True)
class Usage:
    """Tokens that the provider bills. Those read from its cache, and written to it, are no part of `input`."""

    input: int
    cached: int
    written: int
    output: int

    @property
    def nanodollars(self) -> int:
        """What the gateway must charge for it."""
        return self.input * INPUT + self.cached * CACHED + self.written * WRITTEN + self.output * OUTPUT


@dataclass(frozen=True)
class Sold:
    """What the provider bills by its number."""

    count: int
    each: int

    @property
    def nanodollars(self) -> int:
        """What the gateway must charge for it."""
        return self.count * self.each


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
    usage: Usage | Sold | None = None

    @staticmethod
    def json(body: object, status: int = 200, usage: Usage | None = None) -> "Answer":
        """One JSON body."""
        return Answer(status=status, steps=[json.dumps(body).encode()], usage=usage)

    @staticmethod
    def stream(steps: Iterable[bytes | Wait | Break], usage: Usage | None = None) -> "Answer":
        """Server-sent events, one write each."""
        return Answer(content_type="text/event-stream", steps=list(steps), usage=usage)
