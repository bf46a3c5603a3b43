"""The `openai` package: responses. Plain, streams, functions, structured output, images, counting, failures."""

import base64
import json

import openai
import pydantic
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
HELLO = "Say hello, and été"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class City(pydantic.BaseModel):
    """A schema to fill."""

    city: str
    population: int


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def connect(driver):
    """Makes a client of a key."""

    def connect(key: str, **options: object) -> openai.OpenAI | openai.AsyncOpenAI:
        return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=key, **options)

    return connect


@pytest.fixture
def client(connect, token):
    """A client of that token."""
    return connect(token.key)


def test_a_response_and_its_cost(driver, client, token):
    model = world.fresh("m-chat")
    raw = driver.run(
        client.responses.with_raw_response.create(
            model=model,
            input=HELLO,
            instructions="Be brief",
            max_output_tokens=100,
            reasoning={"effort": "low"},
            metadata={"of": "suite"},
            store=False,
            include=["reasoning.encrypted_content"],
            truncation="auto",
        )
    )
    answer = raw.parse()
    assert (answer.output_text, answer.status) == (world.SAID, "completed")
    assert (answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (20, 4)
    assert (answer.usage.output_tokens, answer.usage.output_tokens_details.reasoning_tokens) == (9, 3)
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == world.BILLED_RESPONSE
    [row] = world.rows(token, 1)
    assert (row["id"], world.nanodollars(row["charged_usd"])) == (raw.headers["x-request-id"], world.BILLED_RESPONSE)
    [request] = world.received(model)
    sent = request["body"]
    assert (sent["input"], sent["instructions"], sent["max_output_tokens"]) == (HELLO, "Be brief", 100)
    assert (sent["store"], sent["metadata"], sent["truncation"]) == (False, {"of": "suite"}, "auto")


def test_a_stream(driver, client, token):
    stream = driver.run(client.responses.create(model=world.fresh("m-chat"), input=HELLO, stream=True))
    events = driver.each(stream)
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["The mock ", "provider ", "speaks: été 🚀"]
    assert events[-1].response.usage.total_tokens == 29
    assert world.paid(token, 1) == [world.BILLED_RESPONSE]


def test_a_stream_by_the_helper(driver, client, token):
    manager = client.responses.stream(model=world.fresh("m-chat"), input=HELLO)
    _, final = driver.read(manager, lambda stream: stream.get_final_response())
    assert (final.output_text, final.usage.output_tokens) == (world.SAID, 9)
    assert world.paid(token, 1) == [world.BILLED_RESPONSE]


def test_a_response_that_is_cut_at_its_cap(driver, client, token):
    model = world.fresh("m-stops")
    answer = driver.run(client.responses.create(model=model, input=HELLO))
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    events = driver.each(driver.run(client.responses.create(model=model, input=HELLO, stream=True)))
    assert events[-1].type == "response.incomplete"
    assert world.paid(token, 2) == [world.BILLED_RESPONSE] * 2


def test_a_stream_that_is_left(driver, client, token):
    stream = driver.run(client.responses.create(model=world.fresh("m-slow"), input=HELLO, stream=True))
    driver.next(stream)
    driver.run(stream.close())
    [row] = world.rows(token, 1)
    assert row["outcome"] == "client_gone"
    assert 0 < world.nanodollars(row["charged_usd"]) < world.BILLED_RESPONSE
    world.expect(row["id"], world.nanodollars(row["charged_usd"]))


def test_functions_there_and_back(driver, client, token):
    model = world.fresh("m-tools")
    asked = driver.run(client.responses.create(model=model, input=HELLO, tools=[TOOL], tool_choice="required"))
    assert [json.loads(call.arguments)["city"] for call in asked.output] == ["Paris", "Oslo"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{degrees} degrees"}
        for call, degrees in zip(asked.output, (21, 4), strict=True)
    ]
    items = [{"role": "user", "content": HELLO}, *asked.output, *results]
    answer = driver.run(client.responses.create(model=model, input=items, tools=[TOOL], parallel_tool_calls=True))
    assert answer.output_text == "It is 21 degrees and 4 degrees."
    assert world.paid(token, 2) == [world.BILLED_RESPONSE] * 2
    first, second = (request["body"] for request in world.received(model))
    assert (first["tools"], first["tool_choice"]) == ([TOOL], "required")
    assert [item["call_id"] for item in second["input"][1:3]] == ["call_1", "call_2"]


def test_functions_in_a_stream(driver, client):
    manager = client.responses.stream(model=world.fresh("m-tools"), input=HELLO, tools=[TOOL])
    events, final = driver.read(manager, lambda stream: stream.get_final_response())
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [json.loads(event.arguments) for event in done] == [{"city": "Paris"}, {"city": "Oslo"}]
    assert [call.call_id for call in final.output] == ["call_1", "call_2"]


def test_structured_output(driver, client):
    model = world.fresh("m-structured")
    answer = driver.run(client.responses.parse(model=model, input=HELLO, text_format=City))
    assert answer.output_parsed == City(city="Paris", population=2_102_650)
    sent = world.received(model)[0]["body"]["text"]["format"]
    assert sent["strict"] is True and sent["schema"]["required"] == ["city", "population"]


def test_an_image(driver, client):
    data = base64.b64encode(bytes(70_000)).decode()
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{data}", "detail": "low"},
    ]
    items = [{"role": "user", "content": parts}]
    answer = driver.run(client.responses.create(model=world.fresh("m-sees"), input=items))
    assert answer.output_text == "image/png of 70000 bytes"


def test_counting_is_free(driver, connect):
    token = world.token(remain_quota=0)
    counted = driver.run(connect(token.key).responses.input_tokens.count(model=world.fresh("m-chat"), input=HELLO))
    assert counted.input_tokens == 14
    assert world.rows(token, 0) == []


# Fields of the token, model, parameters; class, status, code; statuses of the requests that reached the gateway.
FAILURES = {
    "spent total": ({"remain_quota": 0}, "m-chat", {}, openai.APIStatusError, 402, "insufficient_quota", [402]),
    "spent day": ({"daily_quota": 1}, "m-chat", {}, openai.RateLimitError, 429, "daily_limit_exceeded", [429]),
    "no such model": ({}, "nope", {}, openai.NotFoundError, 404, "model_not_found", [404]),
    "not on the allow-list": (
        {"model_limits_enabled": True, "model_limits": "demo"}, "m-chat", {},
        openai.PermissionDeniedError, 403, "model_not_allowed", [403],
    ),
    "in the background": ({}, "m-chat", {"background": True}, openai.BadRequestError, 400, "invalid_parameter", [400]),
    "provider refuses": ({}, "f-refuses", {}, openai.BadRequestError, 400, "invalid_value", [400]),
    "streamed, broken": ({}, "f-broken", {"stream": True}, openai.InternalServerError, 502, "upstream_error", [502] * 3),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_a_failure(driver, connect, case):
    fields, script, parameters, kind, status, code, statuses = case
    token = world.token(**fields)
    model = world.fresh(script) if script[1] == "-" else script
    with pytest.raises(kind) as caught:
        driver.run(connect(token.key).responses.create(model=model, input="Say hello", **parameters))
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert world.calls(token) == statuses


def test_a_provider_that_is_too_slow(driver, connect):
    token = world.token()
    client = connect(token.key, max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        driver.run(client.responses.create(model=world.fresh("s-slow"), input="Say hello"))
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
    [row] = world.rows(token, 1)
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_unknown", world.FLOOR)
    world.expect(row["id"], world.FLOOR)


def test_a_stream_that_breaks(driver, connect):
    token = world.token()
    stream = driver.run(connect(token.key).responses.create(model=world.fresh("f-cut"), input="Say hello", stream=True))
    with pytest.raises(openai.APIError) as caught:
        driver.each(stream)
    assert caught.value.code == "upstream_error"
    [row] = world.rows(token, 1)
    # The floor, and the nine bytes that were said.
    charged = world.FLOOR + 3 * 8_000
    assert (row["outcome"], world.nanodollars(row["charged_usd"])) == ("upstream_error", charged)
    world.expect(row["id"], charged)
