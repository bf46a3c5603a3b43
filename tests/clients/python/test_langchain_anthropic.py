"""LangChain's `langchain-anthropic`: calls, streams, tools, structured output, images, failures."""

import asyncio
import base64

import anthropic
import pydantic
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

import world


class City(pydantic.BaseModel):
    """A schema to fill."""

    city: str
    population: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"{len(city)} degrees"


def connect(script: str, **fields: object) -> tuple[ChatAnthropic, world.Token]:
    """A chat model of its own, with a token of these fields."""
    token = world.token(**fields)
    return ChatAnthropic(model=world.fresh(script), base_url=world.GATEWAY, api_key=token.key, max_tokens=500), token


@pytest.mark.parametrize(
    "ask", [ChatAnthropic.invoke, lambda model, said: asyncio.run(model.ainvoke(said))], ids=["sync", "async"]
)
def test_a_call(ask):
    model, token = connect("am-chat")
    answer = ask(model, [SystemMessage("Be brief"), HumanMessage("Say hello")])
    assert answer.content == world.SAID
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (20, 6)
    assert world.paid(token, 1) == [world.BILLED_MESSAGES]
    assert world.received(model.model)[0]["body"]["system"] == "Be brief"


def test_a_stream():
    model, token = connect("am-chat")
    first, *others = model.stream("Say hello")
    assert sum(others, first).content == world.SAID
    assert world.paid(token, 1) == [world.BILLED_MESSAGES]


def test_tools_there_and_back():
    model, token = connect("am-tools")
    bound = model.bind_tools([get_weather])
    asked = bound.invoke("What is the weather?")
    assert [call["args"] for call in asked.tool_calls] == [{"city": "Paris"}, {"city": "Oslo"}]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in asked.tool_calls]
    answer = bound.invoke([HumanMessage("What is the weather?"), asked, *results])
    assert answer.content == "It is 5 degrees and 4 degrees."
    assert world.paid(token, 2) == [world.BILLED_MESSAGES] * 2


def test_tools_in_a_stream():
    model, _ = connect("am-tools")
    first, *others = model.bind_tools([get_weather]).stream("What is the weather?")
    assert [call["args"]["city"] for call in sum(others, first).tool_calls] == ["Paris", "Oslo"]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(method):
    model, _ = connect("am-structured")
    answer = model.with_structured_output(City, method=method).invoke("Which city?")
    assert answer == City(city="Paris", population=2_102_650)


def test_an_image():
    model, _ = connect("am-sees")
    image = {"type": "image", "base64": base64.b64encode(bytes(70_000)).decode(), "mime_type": "image/png"}
    assert model.invoke([HumanMessage(content=[image])]).content == "image/png of 70000 bytes"


@pytest.mark.parametrize(
    ("script", "fields", "kind", "statuses"),
    [
        ("am-chat", {"daily_quota": 1}, anthropic.RateLimitError, [429]),
        ("am-chat", {"remain_quota": 0}, anthropic.PaymentRequiredError, [402]),
        ("am-chat", {"model_limits_enabled": True, "model_limits": "demo"}, anthropic.PermissionDeniedError, [403]),
        ("af-refuses", {}, anthropic.BadRequestError, [400]),
        ("af-broken", {}, anthropic.InternalServerError, [502] * 3),
    ],
)
def test_a_failure(script, fields, kind, statuses):
    model, token = connect(script, **fields)
    with pytest.raises(kind):
        model.invoke("Say hello")
    assert world.calls(token) == statuses
