"""The `google-genai` package: what fails. Its classes tell whose fault it is, `code` and `status` what it is. It tries nothing
again unless told to, and then looks at the status alone."""

import contextlib

import httpx2
import pytest
from google import genai
from google.genai.errors import ClientError, ServerError

import world
from drivers import Async

HELLO = "Say hello"
LIMITED = {"model_limits_enabled": True, "model_limits": "demo"}

# Name: fields of the token, model, configuration; class, code, status, exact cause.
FAILURES = {
    "spent total": ({"remain_quota": 0}, "gm-chat", {}, ClientError, 402, "RESOURCE_EXHAUSTED", "INSUFFICIENT_QUOTA"),
    "spent day": ({"daily_quota": 1}, "gm-chat", {}, ClientError, 429, "RESOURCE_EXHAUSTED", "DAILY_LIMIT_EXCEEDED"),
    "spent month": (
        {"monthly_quota": 1}, "gm-chat", {}, ClientError, 429, "RESOURCE_EXHAUSTED", "MONTHLY_LIMIT_EXCEEDED",
    ),
    "not on the list": (LIMITED, "gm-chat", {}, ClientError, 403, "PERMISSION_DENIED", "MODEL_NOT_ALLOWED"),
    "not from this address": (
        {"allow_ips": "192.0.2.1"}, "gm-chat", {}, ClientError, 403, "PERMISSION_DENIED", "IP_NOT_ALLOWED",
    ),
    "no scope": ({"scopes": ["manage"]}, "gm-chat", {}, ClientError, 403, "PERMISSION_DENIED", "SCOPE_MISSING"),
    "no such model": ({}, "nope", {}, ClientError, 404, "NOT_FOUND", "MODEL_NOT_FOUND"),
    "no price": ({}, "unpriced-by-google", {}, ClientError, 402, "FAILED_PRECONDITION", "MODEL_NOT_PRICED"),
    "bad parameter": (
        {}, "gm-chat", {"max_output_tokens": 0}, ClientError, 400, "INVALID_ARGUMENT", "INVALID_PARAMETER",
    ),
    "provider refuses": ({}, "gf-refuses", {}, ClientError, 400, "INVALID_ARGUMENT", None),
    "provider busy": ({}, "gf-busy", {}, ClientError, 429, "RESOURCE_EXHAUSTED", None),
    "provider broken": ({}, "gf-broken", {}, ServerError, 502, "UNAVAILABLE", "UPSTREAM_ERROR"),
}  # fmt: skip


@pytest.fixture
def connect(driver):
    """Makes a client of a key. The asynchronous one is a part of the other, which must outlive it."""
    with contextlib.ExitStack() as clients:

        def connect(key: str, **options: object) -> genai.Client | genai.client.AsyncClient:
            options["base_url"] = world.GATEWAY
            client = clients.enter_context(genai.Client(api_key=key, http_options=options))
            return client.aio if isinstance(driver, Async) else client

        yield connect


def cause(error: genai.errors.APIError) -> str | None:
    """The exact cause, where the gateway itself refuses."""
    details = error.details["error"].get("details")
    return details[0]["reason"] if details else None


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_a_failure(driver, connect, case, streamed):
    fields, script, config, kind, code, status, reason = case
    token = world.token(**fields)
    model = world.fresh(script) if script[2:3] == "-" else script
    models = connect(token.key).models
    with pytest.raises(kind) as caught:
        if streamed:
            driver.each(driver.run(models.generate_content_stream(model=model, contents=HELLO, config=config)))
        else:
            driver.run(models.generate_content(model=model, contents=HELLO, config=config))
    error = caught.value
    assert (error.code, error.status, cause(error)) == (code, status, reason)
    assert error.message
    assert world.calls(token) == [code]
    reached = int(script.startswith("gf-"))
    assert len(world.received(model)) == reached
    assert [row["charged_usd"] for row in world.rows(token, reached)] == [0] * reached


@pytest.mark.parametrize("key", ["sk-" + "x" * 48, "sk-wrong"])
def test_a_key_that_is_none(driver, connect, key):
    with pytest.raises(ClientError) as caught:
        driver.run(connect(key).models.generate_content(model="demo", contents=HELLO))
    assert (caught.value.code, caught.value.status, cause(caught.value)) == (401, "UNAUTHENTICATED", "INVALID_API_KEY")
    assert key not in str(caught.value)


@pytest.mark.parametrize("call", ["embed_content", "count_tokens"])
def test_a_model_that_is_none_in_other_calls(driver, connect, call):
    models = connect(world.token().key).models
    with pytest.raises(ClientError) as caught:
        driver.run(getattr(models, call)(model="nope", contents=HELLO))
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_embeddings_beyond_a_budget(driver, connect):
    token = world.token(daily_quota=1)
    with pytest.raises(ClientError) as caught:
        driver.run(connect(token.key).models.embed_content(model=world.fresh("gm-embeds"), contents=HELLO))
    assert (caught.value.code, cause(caught.value)) == (429, "DAILY_LIMIT_EXCEEDED")
    assert world.calls(token) == [429]


def test_a_fault_is_tried_again(driver, connect):
    token = world.token()
    client = connect(token.key, retry_options={"attempts": 2, "initial_delay": 0.01, "jitter": 0})
    assert driver.run(client.models.generate_content(model=world.fresh("gf-flaky"), contents=HELLO)).text == world.SAID
    assert world.calls(token) == [502, 200]


def test_a_client_that_cannot_wait(driver, connect):
    token, model = world.token(), world.fresh("gm-slow")
    with pytest.raises(httpx2.TimeoutException):
        driver.run(connect(token.key, timeout=1_000).models.generate_content(model=model, contents=HELLO))
    # Its provider bills it all the same: the gateway reads the answer to its end, whenever it hears that the client left.
    world.release(model)
    assert world.paid(token, 1) == [world.BILLED_GEMINI]


def test_a_provider_that_is_too_slow(driver, connect):
    token = world.token()
    with pytest.raises(ServerError) as caught:
        driver.run(connect(token.key).models.generate_content(model=world.fresh("gs-slow"), contents=HELLO))
    assert (caught.value.code, caught.value.status) == (504, "DEADLINE_EXCEEDED")
    [row] = world.rows(token, 1)
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_unknown", world.FLOOR)
    world.expect(row["id"], world.FLOOR)


def test_a_stream_that_breaks(driver, connect):
    token = world.token()
    stream = driver.run(connect(token.key).models.generate_content_stream(model=world.fresh("gf-cut"), contents=HELLO))
    with pytest.raises(genai.errors.APIError) as caught:
        driver.each(stream)
    assert (caught.value.code, caught.value.status) == (502, "UNAVAILABLE")
    [row] = world.rows(token, 1)
    # All as the first chunk said: the prompt, and one token.
    charged = 16 * 2_000 + 4 * 500 + 8_000
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_error", charged)
    world.expect(row["id"], charged)
