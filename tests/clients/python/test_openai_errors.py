"""The `openai` package: what fails. Each failure is the class that the package has for it, and what must not be tried again
is not."""

import openai
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
HELLO = [{"role": "user", "content": "Say hello"}]

# Name: fields of the token, model, parameters; class, status, code; statuses of the requests that reached the gateway. The
# package tries twice more what it may try again.
FAILURES = {
    "spent total": ({"remain_quota": 0}, "m-chat", {}, openai.APIStatusError, 402, "insufficient_quota", [402]),
    "spent day": ({"daily_quota": 1}, "m-chat", {}, openai.RateLimitError, 429, "daily_limit_exceeded", [429]),
    "spent month": ({"monthly_quota": 1}, "m-chat", {}, openai.RateLimitError, 429, "monthly_limit_exceeded", [429]),
    "streamed, spent day": (
        {"daily_quota": 1}, "m-chat", {"stream": True}, openai.RateLimitError, 429, "daily_limit_exceeded", [429],
    ),
    "not on the allow-list": (
        {"model_limits_enabled": True, "model_limits": "demo"}, "m-chat", {},
        openai.PermissionDeniedError, 403, "model_not_allowed", [403],
    ),
    "not from this address": (
        {"allow_ips": "192.0.2.1"}, "m-chat", {}, openai.PermissionDeniedError, 403, "ip_not_allowed", [403],
    ),
    "no scope": ({"scopes": ["manage"]}, "m-chat", {}, openai.PermissionDeniedError, 403, "scope_missing", [403]),
    "no such model": ({}, "nope", {}, openai.NotFoundError, 404, "model_not_found", [404]),
    "no price": ({}, "unpriced", {}, openai.APIStatusError, 402, "model_not_priced", [402]),
    "bad parameter": ({}, "m-chat", {"max_tokens": 0}, openai.BadRequestError, 400, "invalid_parameter", [400]),
    "provider refuses": ({}, "f-refuses", {}, openai.BadRequestError, 400, "invalid_value", [400]),
    "provider busy": ({}, "f-busy", {}, openai.RateLimitError, 429, "rate_limit_exceeded", [429] * 3),
    "provider broken": ({}, "f-broken", {}, openai.InternalServerError, 502, "upstream_error", [502] * 3),
    "streamed, broken": ({}, "f-broken", {"stream": True}, openai.InternalServerError, 502, "upstream_error", [502] * 3),
    "web page": ({}, "f-html", {}, openai.InternalServerError, 502, "upstream_error", [502] * 3),
}  # fmt: skip


@pytest.fixture
def connect(driver):
    """Makes a client of a key."""

    def connect(key: str, **options: object) -> openai.OpenAI | openai.AsyncOpenAI:
        return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=key, **options)

    return connect


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_a_failure(driver, connect, case):
    fields, script, parameters, kind, status, code, statuses = case
    token = world.token(**fields)
    model = world.fresh(script) if script[1] == "-" else script
    with pytest.raises(kind) as caught:
        driver.run(connect(token.key).chat.completions.create(model=model, messages=HELLO, **parameters))
    error = caught.value
    assert (type(error), error.status_code, error.code) == (kind, status, code)
    assert error.message and error.type and error.request_id == error.response.headers["x-request-id"]
    assert world.calls(token) == statuses
    reached = len(statuses) if script.startswith("f-") else 0
    assert len(world.received(model)) == reached
    assert [row["charged_usd"] for row in world.rows(token, reached)] == [0] * reached


@pytest.mark.parametrize("key", ["sk-" + "x" * 48, "sk-wrong", "disabled"])
def test_a_key_that_is_none(driver, connect, key):
    if key == "disabled":
        token = world.token()
        world.change(token, status=2)
        key = token.key
    with pytest.raises(openai.AuthenticationError) as caught:
        driver.run(connect(key).chat.completions.create(model="demo", messages=HELLO))
    assert caught.value.status_code == 401
    assert key not in str(caught.value)


def test_a_fault_is_tried_again(driver, connect):
    token, model = world.token(), world.fresh("f-flaky")
    answer = driver.run(connect(token.key).chat.completions.create(model=model, messages=HELLO))
    assert answer.choices[0].message.content == world.SAID
    assert world.calls(token) == [502, 200]
    paid, void = world.rows(token, 2)
    assert (world.nanodollars(paid["charged_usd"]), void["outcome"]) == (world.BILLED_CHAT, "void")


def test_a_rate_limit_tells_when(driver, connect):
    token = world.token(rpm=1)
    client = connect(token.key, max_retries=0)
    raw = driver.run(client.chat.completions.with_raw_response.create(model=world.fresh("m-chat"), messages=HELLO))
    assert raw.headers["x-ratelimit-limit-requests"] == "1"
    with pytest.raises(openai.RateLimitError) as caught:
        driver.run(client.chat.completions.create(model="m-chat", messages=HELLO))
    assert caught.value.code == "rate_limit_exceeded"
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60


def test_a_client_that_cannot_wait(driver, connect):
    token, model = world.token(), world.fresh("m-slow")
    with pytest.raises(openai.APITimeoutError):
        driver.run(connect(token.key, timeout=1, max_retries=0).chat.completions.create(model=model, messages=HELLO))
    # Its provider bills it all the same: the gateway reads the answer to its end, whenever it hears that the client left.
    world.release(model)
    assert world.paid(token, 1) == [world.BILLED_CHAT]


def test_a_provider_that_is_too_slow(driver, connect):
    token, model = world.token(), world.fresh("s-slow")
    with pytest.raises(openai.InternalServerError) as caught:
        driver.run(connect(token.key, max_retries=0).chat.completions.create(model=model, messages=HELLO))
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
    [row] = world.rows(token, 1)
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_unknown", world.FLOOR)
    world.expect(row["id"], world.FLOOR)


def test_a_stream_that_breaks(driver, connect):
    token = world.token()
    stream = driver.run(
        connect(token.key).chat.completions.create(model=world.fresh("f-cut"), messages=HELLO, stream=True)
    )
    with pytest.raises(openai.APIError) as caught:
        driver.each(stream)
    assert caught.value.code == "upstream_error"
    assert world.calls(token) == [200]
    [row] = world.rows(token, 1)
    charged = world.nanodollars(row["charged_usd"])
    # The floor, and the nine bytes that were said.
    assert (row["outcome"], charged) == ("upstream_error", world.FLOOR + 3 * 8_000)
    world.expect(row["id"], charged)
