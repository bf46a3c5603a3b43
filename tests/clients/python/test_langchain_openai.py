"""LangChain's `langchain-openai`: calls, streams, tools, structured output, images, responses, embeddings, failures."""

import asyncio
import base64

import openai
import pydantic
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import world


class City(pydantic.BaseModel):
    """A schema to fill."""

    city: str
    population: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"{len(city)} degrees"


def connect(script: str, options: dict | None = None, **fields: object) -> tuple[ChatOpenAI, world.Token]:
    """A chat model of its own with these options, and a token of these fields."""
    token = world.token(**fields)
    place = {"model": world.fresh(script), "base_url": f"{world.GATEWAY}/v1", "api_key": token.key}
    return ChatOpenAI(**place, **options or {}), token


# What makes it ask for responses.
RESPONSES = {"use_responses_api": True}


@pytest.mark.parametrize(
    "ask", [ChatOpenAI.invoke, lambda model, said: asyncio.run(model.ainvoke(said))], ids=["sync", "async"]
)
def test_a_call(ask):
    model, token = connect("m-chat")
    answer = ask(model, [SystemMessage("Be brief"), HumanMessage("Say hello")])
    assert answer.content == world.SAID
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (20, 6)
    assert answer.usage_metadata["input_token_details"]["cache_read"] == 4
    assert world.paid(token, 1) == [world.BILLED_CHAT]
    [request] = world.received(model.model_name)
    assert [message["role"] for message in request["body"]["messages"]] == ["system", "user"]


def test_a_stream():
    model, token = connect("m-chat")
    chunks = list(model.stream("Say hello"))
    assert "".join(chunk.content for chunk in chunks) == world.SAID
    assert world.paid(token, 1) == [world.BILLED_CHAT]


def test_a_stream_with_usage():
    model, token = connect("m-chat")
    chunks = list(model.stream("Say hello", stream_usage=True))
    assert [chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata] == [26]
    assert world.paid(token, 1) == [world.BILLED_CHAT]


def test_tools_there_and_back():
    model, token = connect("m-tools")
    bound = model.bind_tools([get_weather])
    asked: AIMessage = bound.invoke("What is the weather?")
    assert [call["args"] for call in asked.tool_calls] == [{"city": "Paris"}, {"city": "Oslo"}]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in asked.tool_calls]
    answer = bound.invoke([HumanMessage("What is the weather?"), asked, *results])
    assert answer.content == "It is 5 degrees and 4 degrees."
    assert world.paid(token, 2) == [world.BILLED_CHAT] * 2


def test_tools_in_a_stream():
    model, _ = connect("m-tools")
    first, *others = model.bind_tools([get_weather]).stream("What is the weather?")
    whole = sum(others, first)
    assert [call["args"]["city"] for call in whole.tool_calls] == ["Paris", "Oslo"]


@pytest.mark.parametrize("options", [{}, RESPONSES], ids=["chat", "responses"])
def test_structured_output(options):
    model, _ = connect("m-structured", options)
    answer = model.with_structured_output(City, method="json_schema").invoke("Which city?")
    assert answer == City(city="Paris", population=2_102_650)


def test_structured_output_by_a_tool():
    model, _ = connect("m-tools")
    bound = model.with_structured_output(get_weather.args_schema, method="function_calling")
    assert bound.invoke("Which city?").city == "Paris"


@pytest.mark.parametrize("options", [{}, RESPONSES], ids=["chat", "responses"])
def test_an_image(options):
    model, _ = connect("m-sees", options)
    image = {"type": "image", "base64": base64.b64encode(bytes(70_000)).decode(), "mime_type": "image/png"}
    assert model.invoke([HumanMessage(content=[image])]).text == "image/png of 70000 bytes"


def test_a_response():
    model, token = connect("m-chat", RESPONSES)
    answer = model.invoke([SystemMessage("Be brief"), HumanMessage("Say hello")])
    assert answer.text == world.SAID
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (20, 9)
    assert "".join(chunk.text for chunk in model.stream("Say hello")) == world.SAID
    assert world.paid(token, 2) == [world.BILLED_RESPONSE] * 2


def test_functions_of_a_response():
    model, token = connect("m-tools", RESPONSES)
    bound = model.bind_tools([get_weather])
    asked = bound.invoke("What is the weather?")
    assert [call["args"] for call in asked.tool_calls] == [{"city": "Paris"}, {"city": "Oslo"}]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in asked.tool_calls]
    answer = bound.invoke([HumanMessage("What is the weather?"), asked, *results])
    assert answer.text == "It is 5 degrees and 4 degrees."
    assert world.paid(token, 2) == [world.BILLED_RESPONSE] * 2


def test_embeddings():
    token = world.token()
    # Else it sends token ids, for which it fetches OpenAI's vocabulary.
    options = {"check_embedding_ctx_length": False}
    place = {"model": world.fresh("m-embeds"), "base_url": f"{world.GATEWAY}/v1", "api_key": token.key}
    embeddings = OpenAIEmbeddings(**place, **options)
    assert embeddings.embed_query("été") == [0.25, -0.5, 0, 3]
    assert embeddings.embed_documents(["été", "Hello"]) == [[0.25, -0.5, 0, 3], [0.25, -0.5, 1, 5]]
    assert world.paid(token, 2) == [2 * world.BILLED_EMBEDDING, world.BILLED_EMBEDDING]


@pytest.mark.parametrize(
    ("script", "fields", "kind", "statuses"),
    [
        ("m-chat", {"daily_quota": 1}, openai.RateLimitError, [429]),
        ("m-chat", {"remain_quota": 0}, openai.APIStatusError, [402]),
        ("m-chat", {"model_limits_enabled": True, "model_limits": "demo"}, openai.PermissionDeniedError, [403]),
        ("f-refuses", {}, openai.BadRequestError, [400]),
        ("f-broken", {}, openai.InternalServerError, [502] * 3),
    ],
)
def test_a_failure(script, fields, kind, statuses):
    model, token = connect(script, **fields)
    with pytest.raises(kind):
        model.invoke("Say hello")
    assert world.calls(token) == statuses
