"""The `anthropic` package: what fails. Each failure is the class that the package has for it, and what must not be tried
again is not."""

import anthropic
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: anthropic.Anthropic, Async: anthropic.AsyncAnthropic}
HELLO = {"max_tokens": 500, "messages": [{"role": "user", "content": "Say hello"}]}

# Name: fields of the token, model, parameters; class, status, type, exact cause; statuses of the requests that reached the
# gateway. The package tries twice more what it may try again.
FAILURES = {
    "spent total": (
        {"remain_quota": 0}, "am-chat", {},
        anthropic.PaymentRequiredError, 402, "billing_error", "insufficient_quota", [402],
    ),
    "spent day": (
        {"daily_quota": 1}, "am-chat", {},
        anthropic.RateLimitError, 429, "rate_limit_error", "daily_limit_exceeded", [429],
    ),
    "spent month": (
        {"monthly_quota": 1}, "am-chat", {},
        anthropic.RateLimitError, 429, "rate_limit_error", "monthly_limit_exceeded", [429],
    ),
    "streamed, spent day": (
        {"daily_quota": 1}, "am-chat", {"stream": True},
        anthropic.RateLimitError, 429, "rate_limit_error", "daily_limit_exceeded", [429],
    ),
    "not on the list": (
        {"model_limits_enabled": True, "model_limits": "demo"}, "am-chat", {},
        anthropic.PermissionDeniedError, 403, "permission_error", "model_not_allowed", [403],
    ),
    "not from this address": (
        {"allow_ips": "192.0.2.1"}, "am-chat", {},
        anthropic.PermissionDeniedError, 403, "permission_error", "ip_not_allowed", [403],
    ),
    "no such model": ({}, "nope", {}, anthropic.NotFoundError, 404, "not_found_error", "model_not_found", [404]),
    "bad parameter": (
        {}, "am-chat", {"max_tokens": -1},
        anthropic.BadRequestError, 400, "invalid_request_error", "invalid_parameter", [400],
    ),
    "provider refuses": (
        {}, "af-refuses", {}, anthropic.BadRequestError, 400, "invalid_request_error", None, [400],
    ),
    "provider busy": ({}, "af-busy", {}, anthropic.RateLimitError, 429, "rate_limit_error", None, [429] * 3),
    "provider broken": (
        {}, "af-broken", {}, anthropic.InternalServerError, 502, "api_error", "upstream_error", [502] * 3,
    ),
    "provider overloaded": (
        {}, "af-overloaded", {}, anthropic.InternalServerError, 502, "api_error", "upstream_error", [502] * 3,
    ),
}  # fmt: skip


@pytest.fixture
def connect(driver):
    """Makes a client of a key."""

    def connect(key: str, **options: object) -> anthropic.Anthropic | anthropic.AsyncAnthropic:
        return CLIENTS[type(driver)](base_url=world.GATEWAY, api_key=key, **options)

    return connect


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_a_failure(driver, connect, case):
    fields, script, parameters, kind, status, error_type, code, statuses = case
    token = world.token(**fields)
    model = world.fresh(script) if script[2:3] == "-" else script
    with pytest.raises(kind) as caught:
        driver.run(connect(token.key).messages.create(model=model, **HELLO | parameters))
    error = caught.value
    assert (type(error), error.status_code) == (kind, status)
    assert (error.body["error"]["type"], error.error_code) == (error_type, code)
    assert error.body["error"]["message"] and error.request_id == error.response.headers["x-request-id"]
    assert world.calls(token) == statuses
    reached = len(statuses) if script.startswith("af-") else 0
    assert len(world.received(model)) == reached
    assert [row["charged_usd"] for row in world.rows(token, reached)] == [0] * reached


@pytest.mark.parametrize("key", ["sk-" + "x" * 48, "sk-ant-wrong"])
def test_a_key_that_is_none(driver, connect, key):
    with pytest.raises(anthropic.AuthenticationError) as caught:
        driver.run(connect(key).messages.create(model="demo", **HELLO))
    assert caught.value.error_code == "invalid_api_key"


def test_a_fault_is_tried_again(driver, connect):
    token = world.token()
    answer = driver.run(connect(token.key).messages.create(model=world.fresh("af-flaky"), **HELLO))
    assert answer.content[0].text == world.SAID
    assert world.calls(token) == [502, 200]


def test_a_client_that_cannot_wait(driver, connect):
    token, model = world.token(), world.fresh("am-slow")
    with pytest.raises(anthropic.APITimeoutError):
        driver.run(connect(token.key, timeout=1, max_retries=0).messages.create(model=model, **HELLO))
    # Its provider bills it all the same: the gateway reads the answer to its end, whenever it hears that the client left.
    world.release(model)
    assert world.paid(token, 1) == [world.BILLED_MESSAGES]


def test_a_provider_that_is_too_slow(driver, connect):
    token, model = world.token(), world.fresh("as-slow")
    with pytest.raises(anthropic.GatewayTimeoutError):
        driver.run(connect(token.key, max_retries=0).messages.create(model=model, **HELLO))
    [row] = world.rows(token, 1)
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_unknown", world.FLOOR)
    world.expect(row["id"], world.FLOOR)


def test_a_stream_that_breaks(driver, connect):
    token = world.token()
    stream = driver.run(connect(token.key).messages.create(model=world.fresh("af-cut"), stream=True, **HELLO))
    with pytest.raises(anthropic.APIStatusError) as caught:
        driver.each(stream)
    assert caught.value.error_code == "upstream_error"
    [row] = world.rows(token, 1)
    # The input as the first event said, and the nine bytes that were said.
    charged = 10 * 2_000 + 4 * 500 + 6 * 2_500 + 3 * 8_000
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_error", charged)
    world.expect(row["id"], charged)
