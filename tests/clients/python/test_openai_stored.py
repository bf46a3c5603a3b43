"""The `openai` package: responses that a provider stores, and what follows them up."""

import openai
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}
HELLO = "Say hello, and été"


@pytest.fixture
def connect(driver):
    """Makes a client of a key."""
    return lambda key: CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=key)


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def responses(connect, token):
    """What that token asks for."""
    return connect(token.key).responses


def test_it_is_read_and_deleted(driver, responses, token):
    made = driver.run(responses.create(model=world.fresh("m-chat"), input=HELLO))
    again = driver.run(responses.retrieve(made.id, include=["reasoning.encrypted_content"]))
    assert (again.id, again.output_text) == (made.id, world.SAID)
    listed = driver.each(responses.input_items.list(made.id, limit=20, order="asc"))
    assert [item.content for item in listed] == [HELLO]
    with pytest.raises(openai.BadRequestError):
        driver.run(responses.cancel(made.id))
    driver.run(responses.delete(made.id))
    with pytest.raises(openai.NotFoundError):
        driver.run(responses.retrieve(made.id))
    asked = [
        (request["method"], request["path"].removeprefix(f"/v1/responses/{made.id}"))
        for request in world.received(made.id)
    ]
    assert asked == [
        ("GET", "?include%5B%5D=reasoning.encrypted_content"),
        ("GET", "/input_items?limit=20&order=asc"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ]
    assert world.paid(token, 1) == [world.BILLED_RESPONSE]


def test_it_is_streamed_again(driver, responses, token):
    stream = driver.run(responses.create(model=world.fresh("m-chat"), input=HELLO, stream=True))
    id = driver.each(stream)[0].response.id
    events = driver.each(driver.run(responses.retrieve(id, stream=True)))
    assert [event.type for event in events] == ["response.created", "response.completed"]
    rest = driver.each(driver.run(responses.retrieve(id, stream=True, starting_after=0)))
    assert [event.type for event in rest] == ["response.completed"]
    assert world.paid(token, 1) == [world.BILLED_RESPONSE]


def test_it_is_gone_on_from(driver, responses, token):
    model = world.fresh("m-chat")
    first = driver.run(responses.create(model=model, input=HELLO))
    second = driver.run(responses.create(model=model, input="And again", previous_response_id=first.id))
    assert (second.output_text, second.previous_response_id) == (world.SAID, first.id)
    assert world.paid(token, 2) == [world.BILLED_RESPONSE] * 2


def test_it_is_one_tokens_alone(driver, connect, responses):
    model = world.fresh("m-chat")
    made = driver.run(responses.create(model=model, input=HELLO))
    others = connect(world.token().key).responses
    for call in (others.retrieve, others.delete, others.cancel):
        with pytest.raises(openai.NotFoundError):
            driver.run(call(made.id))
    with pytest.raises(openai.BadRequestError):
        driver.run(others.create(model=model, input=HELLO, previous_response_id=made.id))
    assert world.received(made.id) == []


def test_it_is_not_stored(driver, responses):
    made = driver.run(responses.create(model=world.fresh("m-chat"), input=HELLO, store=False))
    with pytest.raises(openai.NotFoundError):
        driver.run(responses.retrieve(made.id))
