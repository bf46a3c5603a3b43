"""The mock's answers to Anthropic's messages, scripted as those of openai_chat.py: models `am-…` work, models `af-…` have
faults, and channels that have little patience serve `as-…`."""

import base64
import json
from collections.abc import Iterator

from answer import CALLS, CITY, RUNNERS, SAID, Answer, Break, Usage, Wait

USAGE = Usage(input=10, cached=4, written=6, output=6)
COUNTED = 14


def answer(body: dict, number: int) -> Answer:
    """The answer to the request `number`, from 0, for this model."""
    return SCRIPTS[body["model"].partition("@")[0]](body, number)


def count(_body: dict, _number: int) -> Answer:
    """What a request would be in tokens."""
    return Answer.json({"input_tokens": COUNTED})


def chat(body: dict, _number: int) -> Answer:
    """Says SAID."""
    return _text(body, SAID)


def tools(body: dict, _number: int) -> Answer:
    """Calls the tool for two cities at once; repeats the results once it has them."""
    results = [block["content"] for block in _blocks(body) if block["type"] == "tool_result"]
    if results:
        plain = [result if isinstance(result, str) else result[0]["text"] for result in results]
        return _text(body, [f"It is {' and '.join(plain)}."])
    return _calls(body, body["tools"][0]["name"], CALLS)


def runs(body: dict, _number: int) -> Answer:
    """Has a command run, as the programs' models do; repeats what came of it."""
    results = [block["content"] for block in _blocks(body) if block["type"] == "tool_result"]
    if results:
        return _text(body, [results[0] if isinstance(results[0], str) else results[0][0]["text"]])
    name = next(tool["name"] for tool in body["tools"] if tool["name"] in RUNNERS)
    return _calls(body, name, [("call_1", RUNNERS[name])])


def structured(body: dict, _number: int) -> Answer:
    """Fills the schema of a city: that of the output, or of the tool that must be called."""
    if body.get("output_config", {}).get("format", {}).get("type") == "json_schema":
        return _text(body, CITY)
    if body.get("tool_choice", {}).get("type") in ("tool", "any"):
        return _calls(body, body["tools"][0]["name"], [("call_1", json.loads("".join(CITY)))])
    return _error(400, "invalid_request_error", "there is no schema to fill")


def sees(body: dict, _number: int) -> Answer:
    """Tells type and size of each image, which must be inline."""
    sources = [block["source"] for block in _blocks(body) if block["type"] == "image"]
    seen = [f"{source['media_type']} of {len(base64.b64decode(source['data']))} bytes" for source in sources]
    return _text(body, [", ".join(seen)])


def slow(body: dict, _number: int) -> Answer:
    """Says nothing, or in a stream no more than a piece, until it is released."""
    said = _text(body, SAID)
    said.steps.insert(UNTIL_FIRST_PIECE if body.get("stream") else 0, Wait())
    return said


def flaky(body: dict, number: int) -> Answer:
    """Fails the first time."""
    return broken(body, number) if number == 0 else chat(body, number)


def broken(_body: dict, _number: int) -> Answer:
    """Fails."""
    return _error(500, "api_error", "the mock is broken")


def busy(_body: dict, _number: int) -> Answer:
    """Is at its own rate limit."""
    return _error(429, "rate_limit_error", "the mock is busy")


def overloaded(_body: dict, _number: int) -> Answer:
    """Has too much to do."""
    return _error(529, "overloaded_error", "the mock has too much to do")


def refuses(_body: dict, _number: int) -> Answer:
    """Finds a field wrong."""
    return _error(400, "invalid_request_error", "messages.0: the mock does not like it")


def cut(body: dict, _number: int) -> Answer:
    """Breaks off after its first piece."""
    return Answer.stream([*_text(body, SAID).steps[:UNTIL_FIRST_PIECE], Break()])


# Events of a stream up to its first piece of text.
UNTIL_FIRST_PIECE = 4

SCRIPTS = {
    "am-chat": chat,
    "am-tools": tools,
    "am-runs": runs,
    "am-structured": structured,
    "am-sees": sees,
    "am-slow": slow,
    "af-flaky": flaky,
    "af-broken": broken,
    "af-busy": busy,
    "af-overloaded": overloaded,
    "af-refuses": refuses,
    "af-cut": cut,
    "as-slow": slow,
}


def _blocks(body: dict) -> list[dict]:
    """The blocks of the last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, list) else []


def _text(body: dict, pieces: list[str]) -> Answer:
    if body.get("stream"):
        deltas = [{"type": "text_delta", "text": text} for text in pieces]
        return _stream([({"type": "text", "text": ""}, deltas)], "end_turn")
    return _message([{"type": "text", "text": "".join(pieces)}], "end_turn")


def _calls(body: dict, name: str, calls: list[tuple[str, dict]]) -> Answer:
    blocks = [{"type": "tool_use", "id": id, "name": name, "input": arguments} for id, arguments in calls]
    if not body.get("stream"):
        return _message(blocks, "tool_use")
    return _stream([({**block, "input": {}}, _argument_deltas(block["input"])) for block in blocks], "tool_use")


def _argument_deltas(arguments: dict) -> list[dict]:
    text = json.dumps(arguments)
    middle = len(text) // 2
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:middle], text[middle:])]


def _message(content: list[dict], stop_reason: str) -> Answer:
    return Answer.json({**_head(content, stop_reason), "usage": _usage(USAGE.output)}, usage=USAGE)


def _stream(blocks: list[tuple[dict, list[dict]]], stop_reason: str) -> Answer:
    return Answer.stream([_event(data) for data in _events(blocks, stop_reason)], usage=USAGE)


def _events(blocks: list[tuple[dict, list[dict]]], stop_reason: str) -> Iterator[dict]:
    yield {"type": "message_start", "message": {**_head([], None), "usage": _usage(1)}}
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    # Usage adds up over a stream: this is all of it, not what came since the start.
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": USAGE.output}}
    yield {"type": "message_stop"}


def _head(content: list[dict], stop_reason: str | None) -> dict:
    head = {"id": "msg_mock", "type": "message", "role": "assistant", "model": "mock", "content": content}
    return {**head, "stop_reason": stop_reason, "stop_sequence": None}


def _usage(output: int) -> dict:
    cache = {"cache_read_input_tokens": USAGE.cached, "cache_creation_input_tokens": USAGE.written}
    return {"input_tokens": USAGE.input, **cache, "output_tokens": output}


def _event(data: dict) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _error(status: int, kind: str, message: str) -> Answer:
    return Answer.json({"type": "error", "error": {"type": kind, "message": message}, "request_id": "mock"}, status)
