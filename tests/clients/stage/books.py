"""What must be true of the books once all suites are through. Each check gives what is wrong, in words."""

import time
from collections.abc import Iterator

from gateway import Gateway
from provider import Provider

# Seconds until the last stream has settled.
SETTLED = 30
# Seconds between two looks.
POLL = 0.05


def problems(gateways: list[Gateway], provider: Provider) -> Iterator[str]:
    """Everything that is wrong; stops the gateways on the way."""
    for gateway in gateways:
        yield from _held(gateway)
    yield from _charges(gateways, provider)
    for gateway in gateways:
        yield from _stopped(gateway)


def _stopped(gateway: Gateway) -> Iterator[str]:
    """It ends, and its books add up."""
    code = gateway.stop()
    if code != 0:
        yield f"the gateway ended with {code}"
    proof = gateway.verify()
    if proof.returncode != 0:
        yield f"verify ended with {proof.returncode}: {proof.stdout}{proof.stderr}"


def _held(gateway: Gateway) -> Iterator[str]:
    """No token has anything reserved, at the latest when the deadline is over."""
    deadline = time.monotonic() + SETTLED
    while held := [token["name"] for token in gateway.items("/v1/tokens") if token["reserved_quota"]]:
        if time.monotonic() > deadline:
            yield f"money is still held for {held}"
            return
        time.sleep(POLL)


def _charges(gateways: list[Gateway], provider: Provider) -> Iterator[str]:
    """Each request has one row of the ledger, charged with what the provider's usage, or a suite, says."""
    charged: dict[str, int] = {}
    for row in (row for gateway in gateways for row in gateway.items("/v1/ledger")):
        if row["outcome"] == "credit":
            continue
        if row["id"] in charged:
            yield f"two rows for {row['id']}"
        charged[row["id"]] = int(row["charged_usd"] * 10**9)
    for id in sorted(charged.keys() | provider.expected.keys()):
        expected, real = provider.expected.get(id), charged.get(id)
        if expected != real:
            yield f"request {id}: {expected} nanodollars expected, {real} charged"
    if not any(charged.values()):
        yield "nothing was charged at all"
    print(f"books: {len(charged)} requests, {sum(charged.values())} nanodollars charged")
