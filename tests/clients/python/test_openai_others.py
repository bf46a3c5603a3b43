"""The `openai` package: what it has beside chat completions and responses. Older completions, embeddings, moderations,
speech, and their refusals."""

import openai
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
HELLO = "Say hello, and été"
SOUND = b"\xff\xfb\x90\x64" + bytes(3_000)


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def client(driver, token):
    """A client of that token."""
    return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


def test_an_older_completion(driver, client, token):
    model = world.fresh("m-chat")
    answer = driver.run(client.completions.create(model=model, prompt=HELLO, max_tokens=50, temperature=0.5, stop="\n"))
    assert (answer.choices[0].text, answer.usage.total_tokens) == (world.SAID, 26)
    assert world.paid(token, 1) == [world.BILLED_CHAT]
    sent = world.received(model)[0]["body"]
    assert (sent["prompt"], sent["max_tokens"], sent["stop"]) == (HELLO, 50, "\n")


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=["bare", "with usage"])
def test_an_older_completion_in_a_stream(driver, client, token, options):
    stream = driver.run(client.completions.create(model=world.fresh("m-chat"), prompt=HELLO, stream=True, **options))
    chunks = driver.each(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == world.SAID
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([26] if options else [])
    assert world.paid(token, 1) == [world.BILLED_CHAT]


@pytest.mark.parametrize(
    ("given", "lengths"),
    [("été", [3]), (["été", "Hello"], [3, 5]), ([7, 8, 9], [3]), ([[7, 8], [9]], [2, 1])],
    ids=["a text", "texts", "ids", "lists of ids"],
)
@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64", "dimensions": 4}])
def test_embeddings(driver, client, token, given, lengths, options):
    model = world.fresh("m-embeds")
    raw = driver.run(client.embeddings.with_raw_response.create(model=model, input=given, **options))
    answer = raw.parse()
    vectors = [item.embedding for item in answer.data]
    # The package asks for base64 itself, and unpacks that.
    if options.get("encoding_format") != "base64":
        assert vectors == [[0.25, -0.5, number, length] for number, length in enumerate(lengths)]
    cost = len(lengths) * world.BILLED_EMBEDDING
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == cost
    assert world.paid(token, 1) == [cost]
    sent = world.received(model)[0]["body"]
    assert (sent["input"], sent["encoding_format"]) == (given, options.get("encoding_format", "base64"))


def test_moderations_cost_nothing(driver):
    token = world.token(remain_quota=0)
    client = CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)
    model = world.fresh("m-judges")
    answer = driver.run(client.moderations.create(model=model, input=["a good word", "a bad word"]))
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.violence_graphic is True
    parts = [
        {"type": "text", "text": "a bad word"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    [result] = driver.run(client.moderations.create(model=model, input=parts)).results
    assert result.flagged is True
    assert world.paid(token, 2) == [0, 0]


def test_speech(driver, client, token):
    model = world.fresh("m-speaks")
    answer = driver.run(
        client.audio.speech.create(model=model, voice="alloy", input=HELLO, response_format="mp3", speed=1.5)
    )
    assert (answer.content, answer.response.headers["content-type"]) == (SOUND, "audio/mpeg")
    assert world.paid(token, 1) == [len(HELLO) * 15_000]
    sent = world.received(model)[0]["body"]
    assert (sent["input"], sent["voice"], sent["speed"]) == (HELLO, "alloy", 1.5)


def test_speech_as_it_comes(driver, client, token, tmp_path):
    file = tmp_path / "said.mp3"

    def hear() -> bytes:
        manager = client.audio.speech.with_streaming_response.create(
            model=world.fresh("m-speaks"), voice="alloy", input=HELLO
        )
        with manager as answer:
            answer.stream_to_file(file)
        return file.read_bytes()

    async def hear_later() -> bytes:
        manager = client.audio.speech.with_streaming_response.create(
            model=world.fresh("m-speaks"), voice="alloy", input=HELLO
        )
        async with manager as answer:
            return b"".join([piece async for piece in answer.iter_bytes()])

    assert driver.run(hear_later() if isinstance(driver, Async) else hear()) == SOUND
    assert world.paid(token, 1) == [len(HELLO) * 15_000]


def test_speech_that_breaks(driver, client, token):
    with pytest.raises(openai.APIConnectionError):
        driver.run(
            client.with_options(max_retries=0).audio.speech.create(
                model=world.fresh("m-speaks-not"), voice="alloy", input=HELLO
            )
        )
    [row] = world.rows(token, 1)
    assert world.nanodollars(row["charged_usd"]) == len(HELLO) * 15_000


# How each is called, and with what: the model that it works with, and more.
CALLS = {
    "completions": lambda client: (client.completions.create, {"model": "m-chat", "prompt": HELLO}),
    "embeddings": lambda client: (client.embeddings.create, {"model": "m-embeds", "input": HELLO}),
    "moderations": lambda client: (client.moderations.create, {"model": "m-costs", "input": HELLO}),
    "speech": lambda client: (client.audio.speech.create, {"model": "m-speaks", "input": HELLO, "voice": "alloy"}),
}
# Fields of the token, another model; class, status, code.
FAILURES = {
    "spent total": ({"remain_quota": 0}, None, openai.APIStatusError, 402, "insufficient_quota"),
    "spent day": ({"daily_quota": 1}, None, openai.RateLimitError, 429, "daily_limit_exceeded"),
    "not on the allow-list": (
        {"model_limits_enabled": True, "model_limits": "demo"}, None,
        openai.PermissionDeniedError, 403, "model_not_allowed",
    ),
    "no such model": ({}, "nope", openai.NotFoundError, 404, "model_not_found"),
    "no price": ({}, "unpriced", openai.APIStatusError, 402, "model_not_priced"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_a_refusal(driver, call, case):
    fields, model, kind, status, code = case
    token = world.token(**fields)
    create, parameters = call(CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key))
    with pytest.raises(kind) as caught:
        driver.run(create(**parameters | ({"model": model} if model else {})))
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert world.calls(token) == [status]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_key_that_is_none(driver, call):
    create, parameters = call(CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key="sk-" + "x" * 48))
    with pytest.raises(openai.AuthenticationError):
        driver.run(create(**parameters))
