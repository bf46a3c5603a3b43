"""Clients of one dialect with models that only providers of another have: `openai` (chat completions and responses) with
models of Anthropic's and Gemini's channels, `anthropic` with models of OpenAI's and Gemini's."""

import base64
import json

import anthropic
import openai
import pydantic
import pytest

import world
from drivers import Async, Sync

OPENAI = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
ANTHROPIC = {Sync: anthropic.Anthropic, Async: anthropic.AsyncAnthropic}
HELLO = "Say hello, and été"
MESSAGES = [{"role": "user", "content": HELLO}]
PNG = base64.b64encode(bytes(70_000)).decode()
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "description": "The weather of a city", "parameters": SCHEMA}
# What the mock's providers bill, by what the names of their models begin with.
BILLED = {"m": world.BILLED_CHAT, "am": world.BILLED_MESSAGES, "gm": world.BILLED_GEMINI}

of_openai = pytest.mark.parametrize("provider", ["am", "gm"], ids=["from Anthropic", "from Gemini"])
of_anthropic = pytest.mark.parametrize("provider", ["m", "gm"], ids=["from OpenAI", "from Gemini"])


class City(pydantic.BaseModel):
    """A schema to fill."""

    city: str
    population: int


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def openai_client(driver, token):
    """A client of that token."""
    return OPENAI[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


@pytest.fixture
def anthropic_client(driver, token):
    """A client of that token."""
    return ANTHROPIC[type(driver)](base_url=world.GATEWAY, api_key=token.key)


@of_openai
def test_chat(driver, openai_client, token, provider):
    model = world.fresh(f"{provider}-chat")
    messages = [{"role": "system", "content": "Be brief"}, *MESSAGES]
    raw = driver.run(openai_client.chat.completions.with_raw_response.create(model=model, messages=messages))
    answer = raw.parse()
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (world.SAID, "stop")
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens) == (20, 6, 4)
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == BILLED[provider]
    assert world.paid(token, 1) == [BILLED[provider]]


@of_openai
def test_chat_in_a_stream(driver, openai_client, token, provider):
    stream = driver.run(
        openai_client.chat.completions.create(
            model=world.fresh(f"{provider}-chat"),
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    chunks = driver.each(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == world.SAID
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [26]
    assert world.paid(token, 1) == [BILLED[provider]]


@of_openai
def test_chat_with_tools(driver, openai_client, token, provider):
    completions, model = openai_client.chat.completions, world.fresh(f"{provider}-tools")
    tools = [{"type": "function", "function": FUNCTION}]
    manager = completions.stream(model=model, messages=MESSAGES, tools=tools)
    _, streamed = driver.read(manager, lambda stream: stream.get_final_completion())
    asked = driver.run(completions.create(model=model, messages=MESSAGES, tools=tools, tool_choice="auto"))
    for answer in (streamed, asked):
        calls = answer.choices[0].message.tool_calls
        assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Paris"}, {"city": "Oslo"}]
        assert answer.choices[0].finish_reason == "tool_calls"
    message = asked.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{degrees} degrees"}
        for call, degrees in zip(message.tool_calls, (21, 4), strict=True)
    ]
    answer = driver.run(completions.create(model=model, messages=[*MESSAGES, message, *results], tools=tools))
    assert answer.choices[0].message.content == "It is 21 degrees and 4 degrees."
    assert world.paid(token, 3) == [BILLED[provider]] * 3


@of_openai
def test_chat_with_a_schema_and_an_image(driver, openai_client, provider):
    completions = openai_client.chat.completions
    model = world.fresh(f"{provider}-structured")
    answer = driver.run(completions.parse(model=model, messages=MESSAGES, response_format=City))
    assert answer.choices[0].message.parsed == City(city="Paris", population=2_102_650)
    parts = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
    messages = [{"role": "user", "content": parts}]
    seen = driver.run(completions.create(model=world.fresh(f"{provider}-sees"), messages=messages))
    assert seen.choices[0].message.content == "image/png of 70000 bytes"


@of_openai
def test_a_response(driver, openai_client, token, provider):
    model = world.fresh(f"{provider}-chat")
    call = openai_client.responses.create(model=model, input=HELLO, instructions="Be brief", store=False)
    answer = driver.run(call)
    assert (answer.output_text, answer.status) == (world.SAID, "completed")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (20, 6)
    assert answer.usage.input_tokens_details.cached_tokens == 4
    manager = openai_client.responses.stream(model=model, input=HELLO, store=False)
    events, final = driver.read(manager, lambda stream: stream.get_final_response())
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (final.output_text, final.usage.total_tokens) == (world.SAID, 26)
    assert world.paid(token, 2) == [BILLED[provider]] * 2


@of_openai
def test_a_response_with_functions(driver, openai_client, token, provider):
    responses, model = openai_client.responses, world.fresh(f"{provider}-tools")
    options = {"model": model, "tools": [{"type": "function", **FUNCTION, "strict": True}], "store": False}
    manager = responses.stream(input=HELLO, **options)
    events, _ = driver.read(manager, lambda stream: stream.get_final_response())
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [json.loads(event.arguments)["city"] for event in done] == ["Paris", "Oslo"]
    asked = driver.run(responses.create(input=HELLO, **options))
    calls = [item for item in asked.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{degrees} degrees"}
        for call, degrees in zip(calls, (21, 4), strict=True)
    ]
    items = [{"role": "user", "content": HELLO}, *asked.output, *results]
    answer = driver.run(responses.create(input=items, **options))
    assert answer.output_text == "It is 21 degrees and 4 degrees."
    assert world.paid(token, 3) == [BILLED[provider]] * 3


@of_openai
def test_a_response_with_a_schema_and_an_image(driver, openai_client, provider):
    responses = openai_client.responses
    model = world.fresh(f"{provider}-structured")
    answer = driver.run(responses.parse(model=model, input=HELLO, text_format=City, store=False))
    assert answer.output_parsed == City(city="Paris", population=2_102_650)
    parts = [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]
    items = [{"role": "user", "content": parts}]
    seen = driver.run(responses.create(model=world.fresh(f"{provider}-sees"), input=items, store=False))
    assert seen.output_text == "image/png of 70000 bytes"


@of_anthropic
def test_a_message(driver, anthropic_client, token, provider):
    model = world.fresh(f"{provider}-chat")
    answer = driver.run(
        anthropic_client.messages.create(model=model, max_tokens=500, system="Be brief", messages=MESSAGES)
    )
    assert (answer.content[0].text, answer.stop_reason) == (world.SAID, "end_turn")
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (16, 4, 6)
    manager = anthropic_client.messages.stream(model=model, max_tokens=500, messages=MESSAGES)
    events, final = driver.read(manager, lambda stream: stream.get_final_message())
    assert (final.content[0].text, final.usage.output_tokens) == (world.SAID, 6)
    assert world.paid(token, 2) == [BILLED[provider]] * 2


@of_anthropic
def test_a_message_with_tools(driver, anthropic_client, token, provider):
    messages, model = anthropic_client.messages, world.fresh(f"{provider}-tools")
    tool = {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
    options = {"model": model, "max_tokens": 500, "tools": [tool]}
    manager = messages.stream(messages=MESSAGES, **options)
    _, streamed = driver.read(manager, lambda stream: stream.get_final_message())
    asked = driver.run(messages.create(messages=MESSAGES, **options))
    for answer in (streamed, asked):
        calls = [block for block in answer.content if block.type == "tool_use"]
        assert ([call.input["city"] for call in calls], answer.stop_reason) == (["Paris", "Oslo"], "tool_use")
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"{degrees} degrees"}
        for call, degrees in zip(calls, (21, 4), strict=True)
    ]
    turns = [*MESSAGES, {"role": "assistant", "content": asked.content}, {"role": "user", "content": results}]
    answer = driver.run(messages.create(messages=turns, **options))
    assert answer.content[0].text == "It is 21 degrees and 4 degrees."
    assert world.paid(token, 3) == [BILLED[provider]] * 3


@of_anthropic
def test_a_message_with_a_schema_and_an_image(driver, anthropic_client, provider):
    messages = anthropic_client.messages
    model = world.fresh(f"{provider}-structured")
    answer = driver.run(messages.parse(model=model, max_tokens=500, messages=MESSAGES, output_format=City))
    assert answer.parsed_output == City(city="Paris", population=2_102_650)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    turns = [{"role": "user", "content": [image]}]
    seen = driver.run(messages.create(model=world.fresh(f"{provider}-sees"), max_tokens=500, messages=turns))
    assert seen.content[0].text == "image/png of 70000 bytes"


# The model; class of `openai`, status, code.
CHAT_FAILURES = {
    "Anthropic refuses": ("af-refuses", openai.BadRequestError, 400, "invalid_request_error"),
    "Anthropic busy": ("af-busy", openai.RateLimitError, 429, "rate_limit_error"),
    "Anthropic broken": ("af-broken", openai.InternalServerError, 502, "upstream_error"),
    "Gemini refuses": ("gf-refuses", openai.BadRequestError, 400, "INVALID_ARGUMENT"),
    "Gemini busy": ("gf-busy", openai.RateLimitError, 429, "RESOURCE_EXHAUSTED"),
    "Gemini broken": ("gf-broken", openai.InternalServerError, 502, "upstream_error"),
}


@pytest.mark.parametrize("case", CHAT_FAILURES.values(), ids=CHAT_FAILURES)
def test_a_failure_of_chat(driver, openai_client, token, case):
    script, kind, status, code = case
    client = openai_client.with_options(max_retries=0)
    with pytest.raises(kind) as caught:
        driver.run(client.chat.completions.create(model=world.fresh(script), messages=MESSAGES))
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert world.calls(token) == [status]


# The model; class of `anthropic`, status, type.
MESSAGE_FAILURES = {
    "OpenAI refuses": ("f-refuses", anthropic.BadRequestError, 400, "invalid_request_error"),
    "OpenAI busy": ("f-busy", anthropic.RateLimitError, 429, "rate_limit_error"),
    "OpenAI broken": ("f-broken", anthropic.InternalServerError, 502, "api_error"),
    "Gemini refuses": ("gf-refuses", anthropic.BadRequestError, 400, "invalid_request_error"),
}


@pytest.mark.parametrize("case", MESSAGE_FAILURES.values(), ids=MESSAGE_FAILURES)
def test_a_failure_of_messages(driver, anthropic_client, token, case):
    script, kind, status, error_type = case
    client = anthropic_client.with_options(max_retries=0)
    with pytest.raises(kind) as caught:
        driver.run(client.messages.create(model=world.fresh(script), max_tokens=500, messages=MESSAGES))
    assert (caught.value.status_code, caught.value.body["error"]["type"]) == (status, error_type)
    assert world.calls(token) == [status]


@of_openai
def test_what_cannot_be_said_is_refused_by_its_name(driver, openai_client, token, provider):
    with pytest.raises(openai.BadRequestError) as caught:
        driver.run(
            openai_client.chat.completions.create(
                model=world.fresh(f"{provider}-chat"), messages=MESSAGES, logit_bias={"1": 5}
            )
        )
    assert (caught.value.code, caught.value.param) == ("invalid_parameter", "logit_bias")
    assert world.rows(token, 0) == []


def test_what_messages_cannot_say_is_refused_by_its_name(driver, anthropic_client, token):
    with pytest.raises(anthropic.BadRequestError) as caught:
        driver.run(
            anthropic_client.messages.create(
                model=world.fresh("m-chat"), max_tokens=500, messages=MESSAGES, extra_body={"top_k": 5}
            )
        )
    assert caught.value.body["error"]["message"].startswith("top_k ")
    assert world.rows(token, 0) == []


@of_openai
def test_a_budget_binds_translated_calls(driver, provider):
    token = world.token(daily_quota=1)
    client = OPENAI[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)
    model = world.fresh(f"{provider}-chat")
    with pytest.raises(openai.RateLimitError) as caught:
        driver.run(client.chat.completions.create(model=model, messages=MESSAGES))
    assert caught.value.code == "daily_limit_exceeded"
    assert (world.calls(token), world.received(model)) == ([429], [])
