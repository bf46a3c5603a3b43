"""The `anthropic` package: what works. Messages, streams, tools, structured output, images, counting, models, raw headers."""

import base64
import json
from decimal import Decimal

import anthropic
import pydantic
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: anthropic.Anthropic, Async: anthropic.AsyncAnthropic}
HELLO = {"max_tokens": 500, "messages": [{"role": "user", "content": "Say hello, and été"}]}
TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
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
    return CLIENTS[type(driver)](base_url=world.GATEWAY, api_key=token.key)


def test_a_call_and_its_cost(driver, client, token):
    model = world.fresh("am-chat")
    raw = driver.run(client.messages.with_raw_response.create(model=model, system="Be brief", **HELLO))
    answer = driver.run(raw.parse()) if isinstance(driver, Async) else raw.parse()
    assert answer.content[0].text == world.SAID
    assert (answer.usage.input_tokens, answer.usage.cache_creation_input_tokens) == (10, 6)
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == world.BILLED_MESSAGES
    assert Decimal(raw.headers["x-tollgate-remaining-credits"]) < 200
    [row] = world.rows(token, 1)
    assert (row["id"], world.nanodollars(row["charged_usd"])) == (answer._request_id, world.BILLED_MESSAGES)
    [request] = world.received(model)
    assert request["body"]["messages"] == HELLO["messages"] and request["body"]["system"] == "Be brief"
    assert request["headers"]["x-api-key"] == "sk-mock-provider"
    assert request["headers"]["anthropic-version"] == client.default_headers["anthropic-version"]


def test_a_key_as_a_bearer(driver, token):
    client = CLIENTS[type(driver)](base_url=world.GATEWAY, auth_token=token.key)
    assert driver.run(client.messages.create(model=world.fresh("am-chat"), **HELLO)).content[0].text == world.SAID


def test_a_stream(driver, client, token):
    events = driver.each(driver.run(client.messages.create(model=world.fresh("am-chat"), stream=True, **HELLO)))
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]
    texts = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert "".join(texts) == world.SAID
    assert world.paid(token, 1) == [world.BILLED_MESSAGES]


def test_a_stream_by_the_helper(driver, client, token):
    manager = client.messages.stream(model=world.fresh("am-chat"), **HELLO)
    _, final = driver.read(manager, lambda stream: stream.get_final_message())
    assert (final.content[0].text, final.usage.output_tokens) == (world.SAID, 6)
    assert world.paid(token, 1) == [world.BILLED_MESSAGES]


def test_a_stream_that_is_left(driver, client, token):
    stream = driver.run(client.messages.create(model=world.fresh("am-slow"), stream=True, **HELLO))
    driver.next(stream)
    driver.run(stream.close())
    [row] = world.rows(token, 1)
    assert row["outcome"] == "client_gone"
    assert 0 < world.nanodollars(row["charged_usd"]) < world.BILLED_MESSAGES
    world.expect(row["id"], world.nanodollars(row["charged_usd"]))


def test_tools_there_and_back(driver, client, token):
    model = world.fresh("am-tools")
    asked = driver.run(client.messages.create(model=model, tools=[TOOL], tool_choice={"type": "auto"}, **HELLO))
    assert asked.stop_reason == "tool_use"
    assert [block.input["city"] for block in asked.content] == ["Paris", "Oslo"]
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"{degrees} degrees"}
        for block, degrees in zip(asked.content, (21, 4), strict=True)
    ]
    messages = [
        *HELLO["messages"],
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": results},
    ]
    answer = driver.run(client.messages.create(model=model, tools=[TOOL], max_tokens=500, messages=messages))
    assert answer.content[0].text == "It is 21 degrees and 4 degrees."
    assert world.paid(token, 2) == [world.BILLED_MESSAGES] * 2
    assert world.received(model)[0]["body"]["tools"] == [TOOL]


def test_tools_in_a_stream(driver, client):
    manager = client.messages.stream(model=world.fresh("am-tools"), tools=[TOOL], **HELLO)
    _, final = driver.read(manager, lambda stream: stream.get_final_message())
    assert [(block.id, block.input) for block in final.content] == [
        ("call_1", {"city": "Paris"}),
        ("call_2", {"city": "Oslo"}),
    ]


def test_structured_output(driver, client):
    model = world.fresh("am-structured")
    answer = driver.run(client.messages.parse(model=model, output_format=City, **HELLO))
    assert answer.parsed_output == City(city="Paris", population=2_102_650)
    sent = world.received(model)[0]["body"]["output_config"]["format"]
    assert sent["schema"]["required"] == ["city", "population"]


def test_an_image(driver, client):
    data = base64.b64encode(bytes(70_000)).decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]}]
    answer = driver.run(client.messages.create(model=world.fresh("am-sees"), max_tokens=500, messages=messages))
    assert answer.content[0].text == "image/png of 70000 bytes"


def test_a_beta(driver, client):
    model = world.fresh("am-chat")
    answer = driver.run(client.beta.messages.create(model=model, betas=["context-1m-2025-08-07"], **HELLO))
    assert answer.content[0].text == world.SAID
    assert world.received(model)[0]["headers"]["anthropic-beta"] == "context-1m-2025-08-07"


def test_counting_is_free(driver):
    token, model = world.token(remain_quota=0), world.fresh("am-chat")
    client = CLIENTS[type(driver)](base_url=world.GATEWAY, api_key=token.key)
    assert driver.run(client.messages.count_tokens(model=model, messages=HELLO["messages"])).input_tokens == 14
    assert world.rows(token, 0) == []


def test_models(driver, client):
    listed = {model.id: model for model in driver.each(client.models.list())}
    assert listed["demo"].type == "model" and listed["demo"].created_at
    assert driver.run(client.models.retrieve("demo")).id == "demo"
    with pytest.raises(anthropic.NotFoundError):
        driver.run(client.models.retrieve("nope"))


def test_the_demo_model(driver, client, token):
    answer = driver.run(client.messages.create(model="demo", **HELLO))
    assert answer.content[0].text.startswith("Hello! You said: “Say hello, and été”.")
    _, final = driver.read(client.messages.stream(model="demo", **HELLO), lambda stream: stream.get_final_message())
    assert json.loads(final.model_dump_json())["content"] == json.loads(answer.model_dump_json())["content"]
    # prices.toml: 0.5 and 1.5 dollars per million.
    cost = answer.usage.input_tokens * 500 + answer.usage.output_tokens * 1_500
    assert world.paid(token, 2) == [cost] * 2
    for row in world.rows(token, 2):
        world.expect(row["id"], cost)
