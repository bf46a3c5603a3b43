"""The `openai` package: images and sound, plain, in parts and streamed, answered by the built-in model."""

import base64

import openai
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
PICTURE = b"\x89PNG\r\n\x1a\n--\r\n" + bytes(range(256))
SOUND = ("été.wav", b"s" * 3_200, "audio/wav")
# The model's prices, in nanodollars: a unit of input, and of output. A picture is 16 units, one that is given 4; 1 600 bytes of
# sound are one, and what it says about them 21.
INPUT, OUTPUT = 500, 1_500
HEARD = 2 * INPUT + 21 * OUTPUT


def paid(token: world.Token, count: int) -> list[int]:
    """The nanodollars of its charges; the mock provider, which has no part in them, is told what they are."""
    charges = [(row["id"], world.nanodollars(row["charged_usd"])) for row in world.rows(token, count)]
    for request, charge in charges:
        world.expect(request, charge)
    return [charge for _, charge in charges]


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def client(driver, token):
    """A client of that token."""
    return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


def test_images_are_made(driver, client, token):
    raw = driver.run(client.images.with_raw_response.generate(model="demo", prompt="A red fox", n=2, size="1024x1024"))
    answer = raw.parse()
    assert [base64.b64decode(image.b64_json)[1:4] for image in answer.data] == [b"PNG", b"PNG"]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 32)
    assert world.nanodollars(raw.headers["x-tollgate-cost-usd"]) == 3 * INPUT + 32 * OUTPUT
    assert paid(token, 1) == [3 * INPUT + 32 * OUTPUT]


def test_images_are_made_of_images(driver, client, token):
    images = [("a b.png", PICTURE, "image/png"), ("été.png", PICTURE, "image/png")]
    answer = driver.run(client.images.edit(model="demo", prompt="A red fox", image=images, mask=PICTURE, quality="low"))
    assert answer.usage.input_tokens_details.image_tokens == 12
    assert paid(token, 1) == [15 * INPUT + 16 * OUTPUT]


@pytest.mark.parametrize("given", [{}, {"image": PICTURE}], ids=["generations", "edits"])
def test_a_stream_of_images(driver, client, token, given):
    call = client.images.edit if given else client.images.generate
    stream = driver.run(call(model="demo", prompt="A red fox", stream=True, partial_images=2, **given))
    kind = "image_edit" if given else "image_generation"
    events = driver.each(stream)
    assert [event.type for event in events] == [f"{kind}.{each}" for each in ["partial_image"] * 2 + ["completed"]]
    assert events[-1].usage.output_tokens == 48
    assert paid(token, 1) == [(3 + 4 * len(given)) * INPUT + 48 * OUTPUT]


def test_sound_is_heard(driver, client, token):
    create = client.audio.transcriptions.create
    strategy = {"type": "server_vad", "threshold": 0.5}
    plain = driver.run(create(model="demo", file=SOUND, prompt="Two words", chunking_strategy=strategy, include=["logprobs"]))
    assert (plain.usage.input_token_details.audio_tokens, plain.usage.input_token_details.text_tokens) == (2, 2)
    grain = ["word", "segment"]
    verbose = driver.run(create(model="demo", file=SOUND, response_format="verbose_json", timestamp_granularities=grain))
    assert (verbose.duration, verbose.segments[0].text) == (1, verbose.text)
    assert paid(token, 2) == [HEARD, HEARD + 2 * INPUT]
    subtitles = driver.run(create(model="demo", file=SOUND, response_format="srt"))
    assert subtitles.startswith("1\n00:00:00,000 --> 00:00:01,000\nThis is")
    assert min(paid(token, 3)) > 0


def test_a_stream_of_what_was_heard(driver, client, token):
    events = driver.each(driver.run(client.audio.transcriptions.create(model="demo", file=SOUND, stream=True)))
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert events[-1].type == "transcript.text.done" and events[-1].usage.output_tokens == 21
    assert paid(token, 1) == [HEARD]


def test_sound_is_translated(driver, client, token):
    answer = driver.run(client.audio.translations.create(model="demo", file=SOUND))
    assert answer.text.startswith("This is")
    assert paid(token, 1) == [HEARD]


def test_speech(driver, client, token):
    answer = driver.run(client.audio.speech.create(model="demo", input="Hé", voice="alloy"))
    assert len(answer.content) == 2 * 2 * 417
    assert paid(token, 1) == [2 * 15_000]


def test_what_is_refused(driver, client, token):
    with pytest.raises(openai.BadRequestError) as refused:
        driver.run(client.images.generate(model="demo", prompt="A red fox", n=11))
    assert (refused.value.code, refused.value.param) == ("invalid_parameter", "n")
    with pytest.raises(openai.BadRequestError) as refused:
        driver.run(client.audio.transcriptions.create(model="demo", file=SOUND, extra_body={"Model": "other"}))
    assert refused.value.code == "duplicate_field"
    assert world.rows(token, 0) == []
