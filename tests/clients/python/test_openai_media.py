"""The `openai` package: images that are made and edited, also in streams with previews, and sound that is written down or
translated; their refusals. By tokens, by the picture, and by the second."""

import base64

import openai
import pytest

import world
from drivers import Async, Sync

# The package calls translations deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)
# What the mock bills (stage/openai_media.py): by tokens, for a prompt, a picture that is given, one that is made, and sound.
PROMPT, GIVEN, MADE = 10 * 2_000, 30 * 2_000, 20 * 8_000
HEARD = 12 * 2_000 + 6 * 8_000
# And otherwise.
PICTURE, SECOND = 40_000_000, 100_000


SOUND = ("said.wav", world.wave(2.5), "audio/wav")


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def client(driver, token):
    """A client of that token."""
    return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


def test_images(driver, client, token):
    model = world.fresh("m-paints")
    raw = driver.run(
        client.images.with_raw_response.generate(
            model=model, prompt="A red fox", n=2, size="1024x1024", quality="low", output_format="png"
        )
    )
    answer = raw.parse()
    assert [base64.b64decode(image.b64_json) for image in answer.data] == [PNG, PNG]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 40)
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == PROMPT + 2 * MADE
    assert world.paid(token, 1) == [PROMPT + 2 * MADE]
    sent = world.received(model)[0]["body"]
    assert (sent["prompt"], sent["n"], sent["size"]) == ("A red fox", 2, "1024x1024")


def test_images_by_the_picture(driver, client, token):
    answer = driver.run(
        client.images.generate(
            model=world.fresh("m-draws"), prompt="A red fox", n=2, response_format="b64_json", style="natural"
        )
    )
    assert len(answer.data) == 2
    assert world.paid(token, 1) == [2 * PICTURE]


def test_images_in_a_stream(driver, client, token):
    stream = driver.run(
        client.images.generate(model=world.fresh("m-paints"), prompt="A red fox", stream=True, partial_images=2)
    )
    events = driver.each(stream)
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert (base64.b64decode(events[2].b64_json), events[2].usage.output_tokens) == (PNG, 20)
    assert world.paid(token, 1) == [PROMPT + MADE]


def test_an_edit(driver, client, token):
    model = world.fresh("m-paints")
    images = [("a b.png", PNG, "image/png"), ("été.png", PNG, "image/png")]
    answer = driver.run(
        client.images.edit(model=model, image=images, mask=("mask.png", PNG, "image/png"), prompt="A blue fox", n=1)
    )
    assert base64.b64decode(answer.data[0].b64_json) == PNG
    assert world.paid(token, 1) == [PROMPT + 3 * GIVEN + MADE]
    sent = world.received(model)[0]["body"]
    assert sent["image"] == [{"filename": "a b.png", "bytes": 1_008}, {"filename": "été.png", "bytes": 1_008}]
    assert sent["prompt"] == "A blue fox"


def test_an_edit_in_a_stream(driver, client, token):
    stream = driver.run(
        client.images.edit(
            model=world.fresh("m-paints"), image=("a.png", PNG), prompt="A blue fox", stream=True, partial_images=1
        )
    )
    assert [event.type for event in driver.each(stream)] == ["image_edit.partial_image", "image_edit.completed"]
    assert world.paid(token, 1) == [PROMPT + GIVEN + MADE]


@pytest.mark.parametrize(("script", "cost"), [("m-hears", HEARD), ("m-times", 3 * SECOND)], ids=["tokens", "seconds"])
def test_a_transcription(driver, client, token, script, cost):
    model = world.fresh(script)
    raw = driver.run(
        client.audio.transcriptions.with_raw_response.create(
            model=model,
            file=SOUND,
            language="en",
            prompt="A fox",
            temperature=0.5,
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "threshold": 0.5},
        )
    )
    answer = raw.parse()
    assert answer.text == world.SAID
    assert answer.usage.type == ("tokens" if script == "m-hears" else "duration")
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == cost
    assert world.paid(token, 1) == [cost]
    sent = world.received(model)[0]["body"]
    assert (sent["file"], sent["language"]) == ({"filename": "said.wav", "bytes": 20_044}, "en")


@pytest.mark.parametrize("format", ["text", "srt", "vtt"])
def test_a_transcription_as_text(driver, client, token, format):
    said = driver.run(
        client.audio.transcriptions.create(model=world.fresh("m-times"), file=SOUND, response_format=format)
    )
    assert said.strip() == world.SAID
    assert world.paid(token, 1) == [3 * SECOND]


def test_a_transcription_with_all_there_is(driver, client, token):
    model = world.fresh("m-times")
    answer = driver.run(
        client.audio.transcriptions.create(
            model=model, file=SOUND, response_format="verbose_json", timestamp_granularities=["word", "segment"]
        )
    )
    assert (answer.text, answer.duration, answer.words[0].word) == (world.SAID, 2.5, "The")
    assert world.paid(token, 1) == [3 * SECOND]
    assert world.received(model)[0]["body"]["timestamp_granularities"] == ["word", "segment"]


def test_a_transcription_in_a_stream(driver, client, token):
    stream = driver.run(client.audio.transcriptions.create(model=world.fresh("m-hears"), file=SOUND, stream=True))
    events = driver.each(stream)
    assert [event.delta for event in events[:-1]] == ["The mock ", "provider ", "speaks: été 🚀"]
    assert (events[-1].type, events[-1].text, events[-1].usage.output_tokens) == ("transcript.text.done", world.SAID, 6)
    assert world.paid(token, 1) == [HEARD]


def test_a_translation(driver, client, token):
    answer = driver.run(client.audio.translations.create(model=world.fresh("m-times"), file=SOUND))
    assert answer.text == world.SAID
    assert world.paid(token, 1) == [3 * SECOND]


def test_too_many_images(driver, client, token):
    with pytest.raises(openai.BadRequestError) as caught:
        driver.run(client.images.generate(model=world.fresh("m-paints"), prompt="A red fox", n=11))
    assert (caught.value.code, caught.value.param) == ("invalid_parameter", "n")
    assert world.rows(token, 0) == []


def test_a_field_that_comes_twice(driver, client, token):
    more = {"Model": "other"}
    with pytest.raises(openai.BadRequestError) as caught:
        driver.run(client.audio.transcriptions.create(model=world.fresh("m-times"), file=SOUND, extra_body=more))
    assert caught.value.code == "duplicate_field"
    assert world.rows(token, 0) == []


# How each is called, and with what: the model that it works with, and more.
CALLS = {
    "images": lambda client: (client.images.generate, {"model": "m-draws", "prompt": "A fox"}),
    "edits": lambda client: (client.images.edit, {"model": "m-draws", "image": ("a.png", PNG), "prompt": "A fox"}),
    "transcriptions": lambda client: (client.audio.transcriptions.create, {"model": "m-times", "file": SOUND}),
    "translations": lambda client: (client.audio.translations.create, {"model": "m-times", "file": SOUND}),
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
