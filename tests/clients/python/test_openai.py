"""The `openai` package: what works. Chat, streams, tools, structured output, images, models, raw headers."""

import base64
import json
from decimal import Decimal

import openai
import pydantic
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
HELLO = [{"role": "user", "content": "Say hello, and été"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
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
def client(driver, token):
    """A client of that token."""
    return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


def test_a_call_and_its_cost(driver, client, token):
    model = world.fresh("m-chat")
    raw = driver.run(client.chat.completions.with_raw_response.create(model=model, messages=HELLO, temperature=0.5))
    answer = raw.parse()
    assert answer.choices[0].message.content == world.SAID
    assert (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (20, 4)
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == world.BILLED_CHAT
    assert Decimal(raw.headers["x-tollgate-remaining-credits"]) < 200
    [row] = world.rows(token, 1)
    assert (row["id"], world.nanodollars(row["charged_usd"])) == (raw.headers["x-request-id"], world.BILLED_CHAT)
    assert answer._request_id == row["id"]
    [request] = world.received(model)
    assert request["body"]["messages"] == HELLO and request["body"]["temperature"] == 0.5
    assert request["headers"]["authorization"] == "Bearer sk-mock-provider"


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=["bare", "with usage"])
def test_a_stream(driver, client, token, options):
    model = world.fresh("m-chat")
    stream = driver.run(client.chat.completions.create(model=model, messages=HELLO, stream=True, **options))
    chunks = driver.each(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == world.SAID
    usages = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    assert usages == ([26] if options else [])
    assert all(chunk.choices for chunk in chunks[:-1]) and bool(chunks[-1].choices) == (not options)
    [row] = world.rows(token, 1)
    assert world.nanodollars(row["charged_usd"]) == world.BILLED_CHAT
    assert world.received(model)[0]["body"]["stream_options"]["include_usage"] is True


def test_a_stream_by_the_helper(driver, client):
    model = world.fresh("m-chat")
    manager = client.chat.completions.stream(model=model, messages=HELLO)
    events, final = driver.read(manager, lambda stream: stream.get_final_completion())
    assert [event.delta for event in events if event.type == "content.delta" and event.delta] == [
        "The mock ",
        "provider ",
        "speaks: été 🚀",
    ]
    assert final.choices[0].message.content == world.SAID


def test_a_stream_that_is_left(driver, client, token):
    model = world.fresh("m-slow")
    stream = driver.run(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    driver.next(stream)
    driver.run(stream.close())
    [row] = world.rows(token, 1)
    assert row["outcome"] == "client_gone"
    assert 0 < world.nanodollars(row["charged_usd"]) < world.BILLED_CHAT
    world.expect(row["id"], world.nanodollars(row["charged_usd"]))


def test_tools_there_and_back(driver, client):
    model = world.fresh("m-tools")
    asked = driver.run(client.chat.completions.create(model=model, messages=HELLO, tools=[TOOL], tool_choice="auto"))
    message = asked.choices[0].message
    assert asked.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == ["Paris", "Oslo"]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{degrees} degrees"}
        for call, degrees in zip(message.tool_calls, (21, 4), strict=True)
    ]
    answer = driver.run(client.chat.completions.create(model=model, messages=[*HELLO, message, *results], tools=[TOOL]))
    assert answer.choices[0].message.content == "It is 21 degrees and 4 degrees."
    first, second = (request["body"] for request in world.received(model))
    assert (first["tools"], first["tool_choice"]) == ([TOOL], "auto")
    assert [call["id"] for call in second["messages"][1]["tool_calls"]] == ["call_1", "call_2"]


def test_tools_in_a_stream(driver, client):
    manager = client.chat.completions.stream(model=world.fresh("m-tools"), messages=HELLO, tools=[TOOL])
    events, final = driver.read(manager, lambda stream: stream.get_final_completion())
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [json.loads(event.arguments) for event in done] == [{"city": "Paris"}, {"city": "Oslo"}]
    assert [call.id for call in final.choices[0].message.tool_calls] == ["call_1", "call_2"]


def test_structured_output(driver, client):
    model = world.fresh("m-structured")
    answer = driver.run(client.chat.completions.parse(model=model, messages=HELLO, response_format=City))
    assert answer.choices[0].message.parsed == City(city="Paris", population=2_102_650)
    sent = world.received(model)[0]["body"]["response_format"]
    assert sent["json_schema"]["strict"] is True and sent["json_schema"]["schema"]["required"] == ["city", "population"]


def test_an_image(driver, client):
    data = base64.b64encode(bytes(70_000)).decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}", "detail": "low"}},
    ]
    messages = [{"role": "user", "content": parts}]
    answer = driver.run(client.chat.completions.create(model=world.fresh("m-sees"), messages=messages))
    assert answer.choices[0].message.content == "image/png of 70000 bytes"


def test_models(driver, client):
    listed = [model.id for model in driver.each(client.models.list())]
    assert "demo" in listed
    assert driver.run(client.models.retrieve("demo")).id == "demo"
    with pytest.raises(openai.NotFoundError):
        driver.run(client.models.retrieve("nope"))


def test_the_demo_model(driver, client, token):
    raw = driver.run(client.chat.completions.with_raw_response.create(model="demo", messages=HELLO))
    usage = raw.parse().usage
    assert raw.parse().choices[0].message.content.startswith("Hello! You said: “Say hello, and été”.")
    # prices.toml: 0.5 and 1.5 dollars per million.
    cost = usage.prompt_tokens * 500 + usage.completion_tokens * 1_500
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == cost
    world.expect(raw.headers["x-request-id"], cost)
    chunks = driver.each(driver.run(client.chat.completions.create(model="demo", messages=HELLO, stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == raw.parse().choices[0].message.content
    streamed, plain = world.rows(token, 2)
    assert (plain["id"], streamed["charged_usd"]) == (raw.headers["x-request-id"], plain["charged_usd"])
    world.expect(streamed["id"], cost)
