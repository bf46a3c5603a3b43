"""The `demo` model of a gateway with no account anywhere: what a user can try with `openai`, `anthropic`, `google-genai` and
LangChain before there is any. prices.toml: 0.5 and 1.5 dollars per million of input and output, 15 per million characters."""

import anthropic
import openai
import pytest
from google import genai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import world

HELLO = "Say hello, and été"
GREETING = "Hello! You said: “Say hello, and été”."
INPUT, OUTPUT, CHARACTER = 500, 1_500, 15_000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token(url=world.BARE)


@pytest.fixture
def openai_client(token):
    """A client of that token."""
    return openai.OpenAI(base_url=f"{world.BARE}/v1", api_key=token.key)


@pytest.fixture
def google_client(token):
    """A client of that token."""
    with genai.Client(api_key=token.key, http_options={"base_url": world.BARE}) as client:
        yield client


def settle(token: world.Token, *costs: int) -> None:
    """These are its charges, oldest first."""
    rows = world.rows(token, len(costs))
    assert [world.nanodollars(row["charged_usd"]) for row in rows] == list(reversed(costs))
    for row, cost in zip(rows, reversed(costs), strict=True):
        world.expect(row["id"], cost)


def test_the_gateway_has_no_channel(openai_client):
    assert [model.id for model in openai_client.models.list()] == ["demo"]
    with pytest.raises(openai.NotFoundError):
        openai_client.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": HELLO}])


def test_chat_completions(openai_client, token):
    create = openai_client.chat.completions.create
    answer = create(model="demo", messages=[{"role": "user", "content": HELLO}])
    said = answer.choices[0].message.content
    assert said.startswith(GREETING)
    chunks = create(model="demo", messages=[{"role": "user", "content": HELLO}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said
    cost = answer.usage.prompt_tokens * INPUT + answer.usage.completion_tokens * OUTPUT
    settle(token, cost, cost)


def test_responses(openai_client, token):
    responses = openai_client.responses
    answer = responses.create(model="demo", input=HELLO, instructions="Be brief")
    assert answer.output_text.startswith(GREETING)
    counted = responses.input_tokens.count(model="demo", input=HELLO, instructions="Be brief")
    assert counted.input_tokens == answer.usage.input_tokens
    with responses.stream(model="demo", input=HELLO, instructions="Be brief") as stream:
        assert stream.get_final_response().output_text == answer.output_text
    capped = responses.create(model="demo", input=HELLO, max_output_tokens=16)
    assert (capped.status, capped.usage.output_tokens) == ("incomplete", 16)
    cost = answer.usage.input_tokens * INPUT + answer.usage.output_tokens * OUTPUT
    settle(token, cost, cost, capped.usage.input_tokens * INPUT + 16 * OUTPUT)


def test_older_completions(openai_client, token):
    answer = openai_client.completions.create(model="demo", prompt=HELLO)
    assert answer.choices[0].text.startswith(GREETING)
    chunks = openai_client.completions.create(model="demo", prompt=HELLO, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == answer.choices[0].text
    cost = answer.usage.prompt_tokens * INPUT + answer.usage.completion_tokens * OUTPUT
    settle(token, cost, cost)


def test_embeddings(openai_client, token):
    create = openai_client.embeddings.create
    packed = create(model="demo", input=["été", HELLO], dimensions=8)
    plain = create(model="demo", input=["été", HELLO], dimensions=8, encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
    assert sum(number**2 for number in plain.data[0].embedding) == pytest.approx(1)
    settle(token, *[packed.usage.prompt_tokens * INPUT] * 2)


def test_moderations(openai_client, token):
    answer = openai_client.moderations.create(model="demo", input=HELLO)
    assert answer.results[0].flagged is False
    [row] = world.rows(token, 1)
    # No usage is said, so a quarter of its bytes is charged.
    assert row["usage_source"] != "provider"
    settle(token, 5 * INPUT)


@pytest.mark.parametrize(("format", "start"), [("mp3", b"\xff\xfb"), ("wav", b"RIFF"), ("pcm", b"\0\0")])
def test_speech(openai_client, token, format, start):
    with openai_client.audio.speech.with_streaming_response.create(
        model="demo", voice="alloy", input=HELLO, response_format=format
    ) as answer:
        sound = answer.read()
    assert sound.startswith(start) and len(sound) > 1_000
    settle(token, len(HELLO) * CHARACTER)


def test_images(openai_client, token):
    images = openai_client.images
    made = images.generate(model="demo", prompt=HELLO, n=2)
    assert len(made.data) == 2 and made.data[0].b64_json
    changed = images.edit(model="demo", image=[("a.png", PNG), ("b.png", PNG)], prompt=HELLO)
    assert changed.usage.input_tokens > made.usage.input_tokens
    *previews, whole = images.generate(model="demo", prompt=HELLO, stream=True, partial_images=2)
    assert (len(previews), whole.b64_json) == (2, made.data[0].b64_json)
    usages = (made.usage, changed.usage, whole.usage)
    settle(token, *[usage.input_tokens * INPUT + usage.output_tokens * OUTPUT for usage in usages])


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_sound_that_is_heard(openai_client, token):
    sound = ("said.wav", world.wave(2.5))
    create = openai_client.audio.transcriptions.create
    plain = create(model="demo", file=sound)
    assert "heard 20044 bytes" in plain.text
    *_, done = create(model="demo", file=sound, stream=True)
    whole = create(model="demo", file=sound, response_format="verbose_json")
    translated = openai_client.audio.translations.create(model="demo", file=sound)
    assert done.text == whole.text == translated.text == plain.text
    cost = plain.usage.input_tokens * INPUT + plain.usage.output_tokens * OUTPUT
    assert create(model="demo", file=sound, response_format="text").strip() == plain.text
    # Text says no usage: 4, 10 for each of 3 seconds, and a quarter of the 91 bytes that it wrote.
    settle(token, cost, cost, cost, cost, 34 * INPUT + 23 * OUTPUT)


def test_messages(token):
    client = anthropic.Anthropic(base_url=world.BARE, api_key=token.key)
    messages = [{"role": "user", "content": HELLO}]
    answer = client.messages.create(model="demo", max_tokens=500, messages=messages)
    assert answer.content[0].text.startswith(GREETING)
    with client.messages.stream(model="demo", max_tokens=500, messages=messages) as stream:
        assert stream.get_final_text() == answer.content[0].text
    counted = client.messages.count_tokens(model="demo", messages=messages)
    assert counted.input_tokens == answer.usage.input_tokens
    cost = answer.usage.input_tokens * INPUT + answer.usage.output_tokens * OUTPUT
    settle(token, cost, cost)


def test_generation(google_client, token):
    models = google_client.models
    answer = models.generate_content(model="demo", contents=HELLO)
    assert answer.text.startswith(GREETING)
    chunks = models.generate_content_stream(model="demo", contents=HELLO)
    assert "".join(chunk.text for chunk in chunks) == answer.text
    usage = answer.usage_metadata
    assert models.count_tokens(model="demo", contents=HELLO).total_tokens == usage.prompt_token_count
    cost = usage.prompt_token_count * INPUT + usage.candidates_token_count * OUTPUT
    settle(token, cost, cost)


def test_googles_embeddings(google_client, token):
    one = google_client.models.embed_content(model="demo", contents="été")
    two = google_client.models.embed_content(model="demo", contents=["été", "hello"])
    assert one.embeddings[0].values == two.embeddings[0].values
    assert len(two.embeddings) == 2
    settle(token, 1 * INPUT, 2 * INPUT)


def test_langchain(token):
    fields = {"model": "demo", "base_url": f"{world.BARE}/v1", "api_key": token.key}
    embeddings = OpenAIEmbeddings(**fields, check_embedding_ctx_length=False)
    assert len(embeddings.embed_documents(["été", "hello"])) == 2
    answer = ChatOpenAI(**fields, use_responses_api=True).invoke(HELLO)
    assert answer.text.startswith(GREETING)
    usage = answer.usage_metadata
    settle(token, 2 * INPUT, usage["input_tokens"] * INPUT + usage["output_tokens"] * OUTPUT)
