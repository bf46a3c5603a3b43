"""What a suite does besides calling an SDK: makes tokens, and asks the gateway's log, its ledger and the mock provider what
happened. Knows no SDK. node/world.js is the same for JavaScript."""

import json
import os
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from email.message import Message
from pathlib import Path
from urllib.parse import quote

GATEWAY = os.environ["GATEWAY_URL"]
# A gateway with no account anywhere.
BARE = os.environ["BARE_URL"]
ADMIN_KEY = os.environ["ADMIN_KEY"]
PROVIDER = os.environ["PROVIDER_URL"]
LOG = Path(os.environ["GATEWAY_LOG"])
# What the mock says (stage/answer.py), and the nanodollars that it bills for each answer: input, read from the cache, written
# to it, output (stage/openai_chat.py and its like).
SAID = "The mock provider speaks: été 🚀"
BILLED_CHAT = 16 * 2_000 + 4 * 500 + 6 * 8_000
BILLED_RESPONSE = 16 * 2_000 + 4 * 500 + 9 * 8_000
BILLED_GEMINI = 16 * 2_000 + 4 * 500 + 6 * 8_000
# For each embedded text.
BILLED_EMBEDDING = 8 * 2_000
BILLED_MESSAGES = 10 * 2_000 + 4 * 500 + 6 * 2_500 + 6 * 8_000
# An accepted request of one message "Say hello" costs this at least: (⌈bytes / 4⌉ + 4) of input.
FLOOR = (3 + 4) * 2_000
# Seconds until something that must happen counts as missing.
SOON = 30
# Seconds between two looks.
POLL = 0.02


@dataclass(frozen=True)
class Token:
    """A token of the gateway."""

    id: int
    key: str
    # The request that made it.
    since: str
    # The gateway that knows it.
    url: str


def token(url: str = GATEWAY, **fields: object) -> Token:
    """Makes one, worth a dollar unless the fields say otherwise."""
    grant = {} if fields.keys() & {"remain_quota", "unlimited_quota"} else {"remain_credits": 200}
    headers, answer = _exchange(f"{url}/v1/tokens", {"name": "suite", **grant, **fields})
    return Token(answer["data"]["id"], f"sk-{answer['data']['key']}", headers["x-request-id"], url)


def change(token: Token, **fields: object) -> None:
    """Changes fields of a token."""
    _ask(f"{GATEWAY}/v1/tokens/{token.id}", fields, "PATCH")


def fresh(script: str) -> str:
    """A model that answers by this script, and that no other test asks for."""
    return f"{script}@{uuid.uuid4().hex[:12]}"


def received(model: str) -> list[dict]:
    """The requests that reached the provider for this model: `path`, `headers`, `body`."""
    return _ask(f"{PROVIDER}/control/received?model={quote(model)}")


def release(model: str) -> None:
    """Lets the provider's answers for this model go on."""
    _ask(f"{PROVIDER}/control/release?model={quote(model)}", {})


def expect(id: str, nanodollars: int) -> None:
    """Tells what request `id` must be charged, where the provider cannot know: the books are compared at the end."""
    _ask(f"{PROVIDER}/control/expected", {"id": id, "nanodollars": nanodollars})


def wave(seconds: float) -> bytes:
    """Silence of 8000 samples a second, a byte each."""
    size = int(seconds * 8_000)
    numbers = [(16, 4), (1, 2), (1, 2), (8_000, 4), (8_000, 4), (1, 2), (8, 2)]
    form = b"".join(number.to_bytes(length, "little") for number, length in numbers)
    sizes = [(size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")]
    return b"RIFF" + sizes[0] + b"WAVEfmt " + form + b"data" + sizes[1] + bytes(size)


def nanodollars(usd: str | Decimal) -> int:
    """An amount of an answer or of the ledger."""
    return int(Decimal(usd) * 10**9)


def rows(token: Token, count: int) -> list[dict]:
    """Its charges, newest first, once there are `count` of them."""
    return _soon(lambda: _charges(token), lambda rows: len(rows) == count)


def paid(token: Token, count: int) -> list[int]:
    """The nanodollars of its charges, once there are `count` of them."""
    return [nanodollars(row["charged_usd"]) for row in rows(token, count)]


def calls(token: Token) -> list[int]:
    """The statuses of all model requests of this token that reached the gateway, in order; also of those that were refused
    before they counted as its own."""
    # Lines are logged in order: what was before the marker is there once the marker is.
    marker = _exchange(f"{GATEWAY}/v1/balance")[0]["x-request-id"]
    lines = _soon(_log, lambda lines: any(line.get("id") == marker for line in lines))
    ids = [line.get("id") for line in lines]
    own = [line for line in lines[ids.index(token.since) + 1 :] if line.get("token") in (token.id, None)]
    return [line["status"] for line in own if line.get("method") == "POST"]


def _charges(token: Token) -> list[dict]:
    items = _ask(f"{token.url}/v1/ledger?token_id={token.id}&page_size=100")["data"]["items"]
    return [row for row in items if row["outcome"] != "credit"]


def _log() -> list[dict]:
    return [json.loads(line) for line in LOG.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _soon(look: Callable[[], list], is_there: Callable[[list], bool]) -> list:
    """What a look sees once it is there."""
    deadline = time.monotonic() + SOON
    while not is_there(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(POLL)
    return seen


def _ask(url: str, body: object = None, method: str | None = None) -> dict:
    return _exchange(url, body, method)[1]


def _exchange(url: str, body: object = None, method: str | None = None) -> tuple[Message, dict]:
    """JSON for JSON, as the administrator: the headers of the answer, and the answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, json.load(answer, parse_float=Decimal)
