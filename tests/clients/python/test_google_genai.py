"""The `google-genai` package: what works. Generation, streams, chats, functions, structured output, images, thoughts,
embeddings, counting, models."""

import contextlib
from decimal import Decimal

import pydantic
import pytest
from google import genai
from google.genai import types

import world
from drivers import Async

HELLO = "Say hello, and été"
DECLARED = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather of a city",
            parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        )
    ]
)


class City(pydantic.BaseModel):
    """A schema to fill."""

    city: str
    population: int


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"{len(city)} degrees"


@pytest.fixture
def connect(driver):
    """Makes a client of a key. The asynchronous one is a part of the other, which must outlive it."""
    with contextlib.ExitStack() as clients:

        def connect(key: str, **options: object) -> genai.Client | genai.client.AsyncClient:
            options["base_url"] = world.GATEWAY
            client = clients.enter_context(genai.Client(api_key=key, http_options=options))
            return client.aio if isinstance(driver, Async) else client

        yield connect


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def client(connect, token):
    """A client of that token."""
    return connect(token.key)


def test_a_call_and_its_cost(driver, client, token):
    model = world.fresh("gm-chat")
    config = types.GenerateContentConfig(
        system_instruction="Be brief",
        temperature=0.5,
        top_k=5,
        seed=7,
        stop_sequences=["\n\n\n"],
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}],
    )
    answer = driver.run(client.models.generate_content(model=model, contents=HELLO, config=config))
    assert answer.text == world.SAID
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count, usage.candidates_token_count) == (20, 4, 6)
    headers = answer.sdk_http_response.headers
    assert world.nanodollars(headers["x-tollgate-cost-usd"]) == world.BILLED_GEMINI
    assert Decimal(headers["x-tollgate-remaining-credits"]) < 200
    [row] = world.rows(token, 1)
    assert (row["id"], world.nanodollars(row["charged_usd"])) == (headers["x-request-id"], world.BILLED_GEMINI)
    [request] = world.received(model)
    assert request["path"].endswith(f"{model.replace('@', '%40')}:generateContent")
    assert request["headers"]["x-goog-api-key"] == "sk-mock-provider"
    body = request["body"]
    assert body["contents"] == [{"parts": [{"text": HELLO}], "role": "user"}]
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief"}]
    sent = body["generationConfig"]
    assert (sent["temperature"], sent["topK"], sent["seed"], sent["stopSequences"]) == (0.5, 5, 7, ["\n\n\n"])


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_of_the_api(driver, connect, token, version):
    model = world.fresh("gm-chat")
    client = connect(token.key, api_version=version)
    assert driver.run(client.models.generate_content(model=model, contents=HELLO)).text == world.SAID
    assert world.received(model)[0]["path"].startswith(f"/{version}/models/")


def test_a_stream(driver, client, token):
    chunks = driver.each(
        driver.run(client.models.generate_content_stream(model=world.fresh("gm-chat"), contents=HELLO))
    )
    assert [chunk.text for chunk in chunks] == ["The mock ", "provider ", "speaks: été 🚀"]
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP
    assert chunks[-1].usage_metadata.total_token_count == 26
    assert world.paid(token, 1) == [world.BILLED_GEMINI]


def test_a_stream_that_is_left(driver, client, token):
    stream = driver.run(client.models.generate_content_stream(model=world.fresh("gm-slow"), contents=HELLO))
    driver.next(stream)
    # The asynchronous stream does not end its connection, the client does.
    driver.run(client.aclose() if isinstance(driver, Async) else stream.close())
    [row] = world.rows(token, 1)
    assert row["outcome"] == "client_gone"
    assert 0 < world.nanodollars(row["charged_usd"]) < world.BILLED_GEMINI
    world.expect(row["id"], world.nanodollars(row["charged_usd"]))


def test_a_chat(driver, client, token):
    model = world.fresh("gm-chat")
    chat = client.chats.create(model=model)
    assert driver.run(chat.send_message(HELLO)).text == world.SAID
    chunks = driver.each(driver.run(chat.send_message_stream("And again")))
    assert "".join(chunk.text for chunk in chunks) == world.SAID
    said = [content["role"] for content in world.received(model)[1]["body"]["contents"]]
    assert said == ["user", "model", "user"]
    assert world.paid(token, 2) == [world.BILLED_GEMINI] * 2


def test_functions_there_and_back(driver, client, token):
    model = world.fresh("gm-tools")
    config = types.GenerateContentConfig(
        tools=[DECLARED],
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}},
    )
    question = types.UserContent("What is the weather?")
    asked = driver.run(client.models.generate_content(model=model, contents=[question], config=config))
    assert [(call.name, call.args) for call in asked.function_calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Oslo"}),
    ]
    results = [
        types.Part.from_function_response(name=call.name, response={"output": f"{degrees} degrees"})
        for call, degrees in zip(asked.function_calls, (21, 4), strict=True)
    ]
    contents = [question, asked.candidates[0].content, types.UserContent(results)]
    answer = driver.run(client.models.generate_content(model=model, contents=contents, config={"tools": [DECLARED]}))
    assert answer.text == "It is 21 degrees and 4 degrees."
    assert world.paid(token, 2) == [world.BILLED_GEMINI] * 2
    first, second = (request["body"] for request in world.received(model))
    assert first["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
    assert [part["functionCall"]["id"] for part in second["contents"][1]["parts"]] == ["call_1", "call_2"]


def test_functions_that_the_package_runs_itself(driver, client, token):
    model = world.fresh("gm-tools")
    answer = driver.run(
        client.models.generate_content(model=model, contents="What is the weather?", config={"tools": [get_weather]})
    )
    assert answer.text == "It is 5 degrees and 4 degrees."
    assert len(world.rows(token, 2)) == 2


def test_functions_in_a_stream(driver, client):
    model = world.fresh("gm-tools")
    chunks = driver.each(
        driver.run(client.models.generate_content_stream(model=model, contents=HELLO, config={"tools": [DECLARED]}))
    )
    assert [call.args["city"] for chunk in chunks for call in chunk.function_calls or []] == ["Paris", "Oslo"]


@pytest.mark.parametrize("schema", [City, {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}])
def test_structured_output(driver, client, schema):
    model = world.fresh("gm-structured")
    config = {"response_mime_type": "application/json", "response_schema": schema}
    answer = driver.run(client.models.generate_content(model=model, contents=HELLO, config=config))
    filled = {"city": "Paris", "population": 2_102_650}
    assert answer.parsed == (City(**filled) if schema is City else filled)


def test_structured_output_by_a_json_schema(driver, client):
    model = world.fresh("gm-structured")
    schema = City.model_json_schema()
    config = {"response_mime_type": "application/json", "response_json_schema": schema}
    answer = driver.run(client.models.generate_content(model=model, contents=HELLO, config=config))
    assert answer.parsed == {"city": "Paris", "population": 2_102_650}
    assert world.received(model)[0]["body"]["generationConfig"]["responseJsonSchema"]["required"] == [
        "city",
        "population",
    ]


def test_an_image(driver, client):
    image = types.Part.from_bytes(data=bytes(70_000), mime_type="image/png")
    model = world.fresh("gm-sees")
    answer = driver.run(client.models.generate_content(model=model, contents=["What is this?", image]))
    assert answer.text == "image/png of 70000 bytes"


def test_thoughts_are_paid_as_output(driver, client, token):
    model = world.fresh("gm-thinks")
    config = {"thinking_config": {"include_thoughts": True, "thinking_budget": 200}}
    answer = driver.run(client.models.generate_content(model=model, contents=HELLO, config=config))
    assert answer.text == world.SAID
    assert answer.candidates[0].content.parts[0].thought is True
    assert answer.usage_metadata.thoughts_token_count == 5
    chunks = driver.each(driver.run(client.models.generate_content_stream(model=model, contents=HELLO, config=config)))
    assert chunks[-1].usage_metadata.thoughts_token_count == 5
    assert world.paid(token, 2) == [world.BILLED_GEMINI + 5 * 8_000] * 2
    assert world.received(model)[0]["body"]["generationConfig"]["thinkingConfig"] == config["thinking_config"]


def test_an_answer_in_two_goes(driver, client, token):
    model = world.fresh("gm-continues")
    answer = driver.run(client.models.generate_content(model=model, contents=HELLO))
    assert answer.text == world.SAID
    chunks = driver.each(driver.run(client.models.generate_content_stream(model=model, contents=HELLO)))
    assert "".join(chunk.text or "" for chunk in chunks) == world.SAID
    assert world.paid(token, 4) == [world.BILLED_GEMINI] * 4


@pytest.mark.parametrize("contents", ["été", ["été", "Hello"]], ids=["one", "several"])
def test_embeddings(driver, client, token, contents):
    model = world.fresh("gm-embeds")
    config = {"task_type": "RETRIEVAL_DOCUMENT", "title": "A title", "output_dimensionality": 4}
    answer = driver.run(client.models.embed_content(model=model, contents=contents, config=config))
    count = 1 if isinstance(contents, str) else len(contents)
    expected = [[0.25, -0.5, 0, 3], [0.25, -0.5, 1, 5]][:count]
    assert [embedding.values for embedding in answer.embeddings] == expected
    assert world.paid(token, 1) == [count * world.BILLED_EMBEDDING]


def test_counting_is_free(driver, connect):
    token, model = world.token(remain_quota=0), world.fresh("gm-chat")
    counted = driver.run(connect(token.key).models.count_tokens(model=model, contents=HELLO))
    assert counted.total_tokens == 14
    assert world.rows(token, 0) == []


def test_models(driver, client):
    listed = driver.each(driver.run(client.models.list()))
    assert "models/demo" in [model.name for model in listed]
    found = driver.run(client.models.get(model="demo"))
    assert (found.name, found.display_name) == ("models/demo", "demo")
    with pytest.raises(genai.errors.ClientError) as caught:
        driver.run(client.models.get(model="nope"))
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_the_demo_model(driver, client, token):
    answer = driver.run(client.models.generate_content(model="demo", contents=HELLO))
    assert answer.text.startswith("Hello! You said: “Say hello, and été”.")
    chunks = driver.each(driver.run(client.models.generate_content_stream(model="demo", contents=HELLO)))
    assert "".join(chunk.text for chunk in chunks) == answer.text
    # prices.toml: 0.5 and 1.5 dollars per million.
    usage = answer.usage_metadata
    cost = usage.prompt_token_count * 500 + usage.candidates_token_count * 1_500
    for row in world.rows(token, 2):
        assert world.nanodollars(row["charged_usd"]) == cost
        world.expect(row["id"], cost)
