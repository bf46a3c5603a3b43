"""The mock's answers to OpenAI's responses, scripted as those of openai_chat.py, for models of the same names."""

import base64
import itertools
import json
from collections.abc import Iterator

from answer import CALLS, CITY, RUNNERS, SAID, Answer, Break, Usage, Wait

USAGE = Usage(input=16, cached=4, written=0, output=9)
# Part of what is written.
REASONED = 3
COUNTED = 14
# What was stored, by its id: the response, and the items that it was asked with.
STORED: dict[str, tuple[dict, list[dict]]] = {}
NUMBERS = itertools.count(1)


def answer(body: dict, number: int) -> Answer:
    """The answer to the request `number`, from 0, for this model."""
    if body.get("previous_response_id") not in (None, *STORED):
        return _error(400, "there is no such response", "previous_response_not_found", "previous_response_id")
    return SCRIPTS[body["model"].partition("@")[0]](body, number)


def follow_up(method: str, id: str, what: str, query: dict[str, list[str]]) -> Answer:
    """The answer to what is asked of the response `id`: itself, its end, `cancel` or `input_items`."""
    if id not in STORED:
        return _error(404, f"there is no response {id}", "not_found")
    response, items = STORED[id]
    match method, what:
        case "GET", "input_items":
            ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"], "has_more": False}
            return Answer.json({"object": "list", "data": items, **ends})
        case "GET", "" if query.get("stream") == ["true"]:
            events = [
                {"type": "response.created", "response": response},
                {"type": "response.completed", "response": response},
            ]
            start = int(query.get("starting_after", ["-1"])[0]) + 1
            numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
            return Answer.stream([_event(event) for event in numbered[start:]])
        case "GET", "":
            return Answer.json(response)
        case "DELETE", "":
            del STORED[id]
            return Answer.json({"id": id, "object": "response", "deleted": True})
        case _:
            return _error(400, "only responses in the background can be cancelled", "invalid_request")


def count(_body: dict, _number: int) -> Answer:
    """What a request would be in tokens."""
    return Answer.json({"object": "response.input_tokens", "input_tokens": COUNTED})


def chat(body: dict, _number: int) -> Answer:
    """Says SAID."""
    return _says(body, SAID)


def tools(body: dict, _number: int) -> Answer:
    """Calls the function for two cities at once; repeats the results once it has them."""
    results = [item["output"] for item in _items(body) if item.get("type") == "function_call_output"]
    if results:
        return _says(body, [f"It is {' and '.join(results)}."])
    name = next(tool["name"] for tool in body["tools"] if tool["type"] == "function")
    calls = [_call(number, id, name, json.dumps(arguments)) for number, (id, arguments) in enumerate(CALLS)]
    return _answer(body, [(call, _argument_events(call)) for call in calls])


def runs(body: dict, _number: int) -> Answer:
    """Has a command run, as Codex's models do; repeats what came of it."""
    results = [item["output"] for item in _items(body) if item.get("type") == "function_call_output"]
    if results:
        return _says(body, [str(results[0])])
    call = _call(0, "call_1", "exec_command", json.dumps(RUNNERS["exec_command"]))
    return _answer(body, [(call, _argument_events(call))])


def structured(body: dict, _number: int) -> Answer:
    """Fills the schema of a city; refuses a request that has none."""
    if body.get("text", {}).get("format", {}).get("type") != "json_schema":
        return _error(400, "text.format must be a json_schema", "invalid_value", "text.format")
    return _says(body, CITY)


def sees(body: dict, _number: int) -> Answer:
    """Tells type and size of each image, which must be a data URL."""
    parts = [part for part in _items(body)[-1]["content"] if part["type"] == "input_image"]
    seen = []
    for part in parts:
        head, _, data = part["image_url"].partition(";base64,")
        seen.append(f"{head.removeprefix('data:')} of {len(base64.b64decode(data))} bytes")
    return _says(body, [", ".join(seen)])


def stops(body: dict, _number: int) -> Answer:
    """Says SAID, and comes to its cap."""
    return _says(body, SAID, "incomplete")


def slow(body: dict, _number: int) -> Answer:
    """Says nothing, or in a stream no more than a piece, until it is released."""
    said = _says(body, SAID)
    said.steps.insert(UNTIL_FIRST_PIECE if body.get("stream") else 0, Wait())
    return said


def flaky(body: dict, number: int) -> Answer:
    """Fails the first time."""
    return broken(body, number) if number == 0 else chat(body, number)


def broken(_body: dict, _number: int) -> Answer:
    """Fails."""
    return _error(500, "the mock is broken", "server_error")


def busy(_body: dict, _number: int) -> Answer:
    """Is at its own rate limit."""
    return _error(429, "the mock is busy", "rate_limit_exceeded")


def refuses(_body: dict, _number: int) -> Answer:
    """Finds a field wrong."""
    return _error(400, "the mock knows no such tool", "invalid_value", "tools[0]")


def cut(body: dict, _number: int) -> Answer:
    """Breaks off after its first piece."""
    return Answer.stream([*_says(body, SAID).steps[:UNTIL_FIRST_PIECE], Break()])


# Events of a stream up to its first piece of text.
UNTIL_FIRST_PIECE = 5

SCRIPTS = {
    "m-chat": chat,
    "m-tools": tools,
    "m-runs": runs,
    "m-structured": structured,
    "m-sees": sees,
    "m-stops": stops,
    "m-slow": slow,
    "f-flaky": flaky,
    "f-broken": broken,
    "f-busy": busy,
    "f-refuses": refuses,
    "f-cut": cut,
    "s-slow": slow,
}


def _items(body: dict) -> list[dict]:
    return body["input"] if isinstance(body["input"], list) else []


def _says(body: dict, pieces: list[str], status: str = "completed") -> Answer:
    text = "".join(pieces)
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"id": "msg_mock", "type": "message", "role": "assistant", "status": status, "content": [part]}
    return _answer(body, [(item, _text_events(item, pieces))], status)


def _call(number: int, call_id: str, name: str, arguments: str) -> dict:
    ids = {"id": f"fc_{number}", "call_id": call_id}
    return {**ids, "type": "function_call", "name": name, "arguments": arguments, "status": "completed"}


def _answer(body: dict, items: list[tuple[dict, list[dict]]], status: str = "completed") -> Answer:
    """The items, each with the events between its beginning and its end."""
    whole = _response(body, status, [item for item, _ in items])
    if body.get("store", True):
        said = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        STORED[whole["id"]] = (whole, [{"type": "message", "id": f"in_{at}", **item} for at, item in enumerate(said)])
    if not body.get("stream"):
        return Answer.json(whole, usage=USAGE)
    events = enumerate(_events(items, whole))
    return Answer.stream([_event({**data, "sequence_number": number}) for number, data in events], usage=USAGE)


def _events(items: list[tuple[dict, list[dict]]], whole: dict) -> Iterator[dict]:
    begun = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, (item, events) in enumerate(items):
        empty = {"content": []} if item["type"] == "message" else {"arguments": ""}
        added = {**item, "status": "in_progress", **empty}
        yield {"type": "response.output_item.added", "output_index": index, "item": added}
        for event in events:
            yield {**event, "item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _text_events(item: dict, pieces: list[str]) -> list[dict]:
    [part] = item["content"]
    deltas = [{"type": "response.output_text.delta", "delta": piece, "logprobs": []} for piece in pieces]
    events = [
        {"type": "response.content_part.added", "part": {**part, "text": ""}},
        *deltas,
        {"type": "response.output_text.done", "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", "part": part},
    ]
    return [{**event, "content_index": 0} for event in events]


def _argument_events(call: dict) -> list[dict]:
    arguments = call["arguments"]
    middle = len(arguments) // 2
    pieces = (arguments[:middle], arguments[middle:])
    deltas = [{"type": "response.function_call_arguments.delta", "delta": piece} for piece in pieces]
    return [
        *deltas,
        {"type": "response.function_call_arguments.done", "name": call["name"], "arguments": arguments},
    ]


def _response(body: dict, status: str, output: list[dict]) -> dict:
    return {
        "id": f"resp_{next(NUMBERS)}",
        "object": "response",
        "created_at": 1_764_000_000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": "mock",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(),
    }


def _usage() -> dict:
    prompt = USAGE.input + USAGE.cached
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": USAGE.cached},
        "output_tokens": USAGE.output,
        "output_tokens_details": {"reasoning_tokens": REASONED},
        "total_tokens": prompt + USAGE.output,
    }


def _event(data: dict) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _error(status: int, message: str, code: str, param: str | None = None) -> Answer:
    return Answer.json({"error": {"message": message, "type": "mock", "param": param, "code": code}}, status)
