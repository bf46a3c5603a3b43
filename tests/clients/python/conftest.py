"""Fixtures that all suites share."""

from collections.abc import Iterator

import pytest

import drivers


@pytest.fixture(params=[drivers.Sync.name, drivers.Async.name])
def driver(request: pytest.FixtureRequest) -> Iterator[drivers.Sync | drivers.Async]:
    """Runs a test twice: with the synchronous client, and with the asynchronous one."""
    with drivers.driver(request.param) as found:
        yield found
