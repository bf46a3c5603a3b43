"""The `anthropic` and `openai` packages with models that only a provider of another dialect serves: calls, streams, tools there and
back, structured output and images work as with their own, and cost what the provider bills."""

import base64
import json

import anthropic
import openai
import pydantic
import pytest

import world
from drivers import Async, Sync

ANTHROPIC = {Sync: anthropic.Anthropic, Async: anthropic.AsyncAnthropic}
OPENAI = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
HELLO = [{"role": "user", "content": "Say hello, and été"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
IMAGE = base64.b64encode(b"\x89PNG, more or less").decode()
CITIES = [{"city": "Paris"}, {"city": "Oslo"}]


class City(pydantic.BaseModel):
    """A schema to fill."""

    city: str
    population: int


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def messages(driver, token):
    """Anthropic's client of that token."""
    return ANTHROPIC[type(driver)](base_url=world.GATEWAY, api_key=token.key).messages


@pytest.fixture
def client(driver, token):
    """OpenAI's client of that token."""
    return OPENAI[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


def test_messages_by_a_chat(driver, messages, token):
    asked = {"max_tokens": 500, "messages": HELLO}
    answer = driver.run(messages.create(model=world.fresh("m-chat"), **asked))
    assert (answer.content[0].text, answer.stop_reason) == (world.SAID, "end_turn")
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (16, 4)
    manager = messages.stream(model=world.fresh("m-chat"), **asked)
    _, final = driver.read(manager, lambda stream: stream.get_final_message())
    assert (final.content[0].text, final.usage.output_tokens) == (world.SAID, 6)
    assert world.paid(token, 2) == [world.BILLED_CHAT] * 2


def test_tools_of_messages_by_a_chat(driver, messages):
    model = world.fresh("m-tools")
    tool = {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
    asked = {"model": model, "max_tokens": 500, "tools": [tool]}
    manager = messages.stream(messages=HELLO, **asked)
    _, first = driver.read(manager, lambda stream: stream.get_final_message())
    assert first.stop_reason == "tool_use"
    assert [block.input for block in first.content] == CITIES
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "wet"} for block in first.content]
    said = [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = driver.run(messages.create(messages=HELLO + said, **asked))
    assert second.content[0].text == "It is wet and wet."


def test_an_image_of_messages_by_a_chat(driver, messages):
    source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
    content = [{"type": "text", "text": "Look"}, {"type": "image", "source": source}]
    asked = [{"role": "user", "content": content}]
    answer = driver.run(messages.create(model=world.fresh("m-sees"), max_tokens=500, messages=asked))
    assert answer.content[0].text == "image/png of 18 bytes"


def test_what_messages_cannot_say_to_a_chat(driver, messages, token):
    with pytest.raises(anthropic.BadRequestError) as raised:
        more = {"top_k": 5}
        driver.run(messages.create(model=world.fresh("m-chat"), max_tokens=500, messages=HELLO, extra_body=more))
    assert raised.value.body["error"]["message"].startswith("top_k ")
    assert world.rows(token, 0) == []


def test_a_chat_by_messages(driver, client, token):
    chats = client.chat.completions
    answer = driver.run(chats.create(model=world.fresh("am-chat"), messages=HELLO))
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (world.SAID, "stop")
    assert (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (20, 4)
    asked = {"stream": True, "stream_options": {"include_usage": True}, "messages": HELLO}
    chunks = driver.each(driver.run(chats.create(model=world.fresh("am-chat"), **asked)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == world.SAID
    assert chunks[-1].usage.total_tokens == 26
    assert world.paid(token, 2) == [world.BILLED_MESSAGES] * 2


def test_tools_of_a_chat_by_messages(driver, client):
    model = world.fresh("am-tools")
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
    chats = client.chat.completions
    first = driver.run(chats.create(model=model, messages=HELLO, tools=[tool])).choices[0]
    assert first.finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in first.message.tool_calls] == CITIES
    results = [{"role": "tool", "tool_call_id": call.id, "content": "wet"} for call in first.message.tool_calls]
    said = [*HELLO, first.message.to_dict(), *results]
    second = driver.run(chats.create(model=model, messages=said, tools=[tool])).choices[0]
    assert second.message.content == "It is wet and wet."


def test_a_schema_of_a_chat_by_messages(driver, client):
    parsing = client.chat.completions.parse(model=world.fresh("am-structured"), messages=HELLO, response_format=City)
    assert driver.run(parsing).choices[0].message.parsed == City(city="Paris", population=2102650)


def test_responses_by_messages(driver, client, token):
    answer = driver.run(client.responses.create(model=world.fresh("am-chat"), input=HELLO))
    assert (answer.output_text, answer.status) == (world.SAID, "completed")
    manager = client.responses.stream(model=world.fresh("am-chat"), input=HELLO)
    events, final = driver.read(manager, lambda stream: stream.get_final_response())
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert (final.output_text, final.usage.total_tokens) == (world.SAID, 26)
    assert world.paid(token, 2) == [world.BILLED_MESSAGES] * 2


def test_tools_of_responses_by_messages(driver, client):
    model = world.fresh("am-tools")
    tools = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
    first = driver.run(client.responses.create(model=model, input=HELLO, tools=tools))
    assert [json.loads(item.arguments) for item in first.output] == CITIES
    results = [{"type": "function_call_output", "call_id": item.call_id, "output": "wet"} for item in first.output]
    said = [*HELLO, *first.output, *results]
    assert driver.run(client.responses.create(model=model, input=said, tools=tools)).output_text == "It is wet and wet."


def test_a_schema_of_responses_by_messages(driver, client):
    parsing = client.responses.parse(model=world.fresh("am-structured"), input=HELLO, text_format=City)
    assert driver.run(parsing).output_parsed == City(city="Paris", population=2102650)
