"""One way to drive a synchronous client and an asynchronous one of the same SDK, so that each test is written once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Sync:
    """A call has happened when it returns."""

    name = "sync"

    def run(self, value: Any) -> Any:
        """What a call gave."""
        return value

    def each(self, stream: Any) -> list:
        """All that a stream gives."""
        return list(stream)

    def next(self, stream: Any) -> Any:
        """The next that a stream gives."""
        return next(iter(stream))

    def read(self, manager: Any, reader: Callable[[Any], Any]) -> tuple[list, Any]:
        """All that a stream gives inside its `with`, and what `reader` makes of it there."""
        with manager as stream:
            return list(stream), reader(stream)


class Async:
    """A call happens in the loop of this driver."""

    name = "async"

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run(self, awaitable: Awaitable) -> Any:
        """What a call gives."""
        return self.loop.run_until_complete(awaitable)

    def each(self, stream: Any) -> list:
        """All that a stream gives."""

        async def gather() -> list:
            return [item async for item in stream]

        return self.run(gather())

    def next(self, stream: Any) -> Any:
        """The next that a stream gives."""
        return self.run(anext(aiter(stream)))

    def read(self, manager: Any, reader: Callable[[Any], Awaitable]) -> tuple[list, Any]:
        """All that a stream gives inside its `async with`, and what `reader` makes of it there."""

        async def inside() -> tuple[list, Any]:
            async with manager as stream:
                return [item async for item in stream], await reader(stream)

        return self.run(inside())


@contextmanager
def driver(name: str) -> Iterator[Sync | Async]:
    """The driver of this name; ends its loop."""
    if name == Sync.name:
        yield Sync()
        return
    asynchronous = Async()
    yield asynchronous
    asynchronous.run(asynchronous.loop.shutdown_asyncgens())
    asynchronous.loop.close()
