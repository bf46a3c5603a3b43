"""The `openai` package: responses that are stored, and all that follows them up. With the demo model, which no provider bills."""

import openai
import pytest

import world
from drivers import Async, Sync

CLIENTS = {Sync: openai.OpenAI, Async: openai.AsyncOpenAI}


@pytest.fixture
def token() -> world.Token:
    """A token with money."""
    return world.token()


@pytest.fixture
def client(driver, token):
    """A client of that token."""
    return CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=token.key)


def create(driver, client, **fields):
    """A response of the demo model, and what it must cost."""
    raw = driver.run(client.responses.with_raw_response.create(model="demo", **fields))
    response = raw.parse()
    cost = response.usage.input_tokens * 500 + response.usage.output_tokens * 1_500
    world.expect(raw.headers["x-request-id"], cost)
    return response


def test_it_is_read_continued_and_deleted(driver, client, token):
    first = create(driver, client, input="Say hello")
    again = driver.run(client.responses.retrieve(first.id, include=["reasoning.encrypted_content"]))
    assert (again.id, again.output_text, again.usage) == (first.id, first.output_text, first.usage)
    [item] = driver.run(client.responses.input_items.list(first.id, limit=1, order="asc")).data
    assert (item.role, item.content[0].text) == ("user", "Say hello")
    after = create(driver, client, input="And?", previous_response_id=first.id)
    assert after.previous_response_id == first.id
    assert after.usage.input_tokens == first.usage.total_tokens + 2
    with pytest.raises(openai.BadRequestError) as refused:
        driver.run(client.responses.cancel(first.id))
    assert "synchronous" in refused.value.message
    assert driver.run(client.responses.delete(first.id)) is None
    with pytest.raises(openai.NotFoundError) as missing:
        driver.run(client.responses.retrieve(first.id))
    assert missing.value.code == "not_found"
    assert len(world.rows(token, 2)) == 2


def test_it_is_streamed_again(driver, client):
    first = create(driver, client, input="Say hello")
    events = driver.each(driver.run(client.responses.retrieve(first.id, stream=True)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == first.output_text
    rest = driver.each(driver.run(client.responses.retrieve(first.id, stream=True, starting_after=4)))
    assert rest == events[5:]


def test_it_is_one_tokens_alone(driver, client):
    first = create(driver, client, input="Say hello")
    other = CLIENTS[type(driver)](base_url=f"{world.GATEWAY}/v1", api_key=world.token().key)
    for call in [
        other.responses.retrieve,
        other.responses.delete,
        other.responses.cancel,
        other.responses.input_items.list,
    ]:
        with pytest.raises(openai.NotFoundError):
            driver.run(call(first.id))
    with pytest.raises(openai.BadRequestError) as refused:
        driver.run(other.responses.create(model="demo", input="And?", previous_response_id=first.id))
    assert refused.value.param == "previous_response_id"
