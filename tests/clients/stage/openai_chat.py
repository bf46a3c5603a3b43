"""The mock's answers to OpenAI's chat completions, scripted by the model's name up to an `@`: what follows it makes the
name a test's own, so that the test finds its requests and no other's. Models `m-…` work, models `f-…` have faults,
and channels that have little patience serve `s-…`."""

import base64
import json
from collections.abc import Iterator

from answer import CALLS, CITY, RUNNERS, SAID, Answer, Break, Usage, Wait

USAGE = Usage(input=16, cached=4, written=0, output=6)


def answer(body: dict, number: int) -> Answer:
    """The answer to the request `number`, from 0, for this model."""
    return SCRIPTS[body["model"].partition("@")[0]](body, number)


def chat(body: dict, _number: int) -> Answer:
    """Says SAID."""
    return _message(body, SAID)


def tools(body: dict, _number: int) -> Answer:
    """Calls the tool for two cities at once; repeats the results once it has them."""
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    if results:
        return _message(body, [f"It is {' and '.join(results)}."])
    return _calls(body, CALLS)


def runs(body: dict, _number: int) -> Answer:
    """Has a command run, as the programs' models do; repeats what came of it."""
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    if results:
        return _message(body, results[:1])
    name = next(tool["function"]["name"] for tool in body["tools"] if tool["function"]["name"] in RUNNERS)
    return _calls(body, [("call_1", RUNNERS[name])], name)


def structured(body: dict, _number: int) -> Answer:
    """Fills the schema of a city, or of the tool that must be called; refuses a request that has neither."""
    if body.get("tool_choice") == "required":
        return _calls(body, [("call_1", json.loads("".join(CITY)))])
    if body.get("response_format", {}).get("type") != "json_schema":
        return _error(400, "response_format must be a json_schema", "invalid_value", "response_format")
    return _message(body, CITY)


def sees(body: dict, _number: int) -> Answer:
    """Tells type and size of each image, which must be a data URL."""
    parts = [part for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    seen = []
    for part in parts:
        head, _, data = part["image_url"]["url"].partition(";base64,")
        seen.append(f"{head.removeprefix('data:')} of {len(base64.b64decode(data))} bytes")
    return _message(body, [", ".join(seen)])


def slow(body: dict, _number: int) -> Answer:
    """Says nothing, or in a stream no more than a piece, until it is released."""
    said = _message(body, SAID)
    at = 1 if body.get("stream") else 0
    said.steps.insert(at, Wait())
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
    return _error(400, "the mock knows no such voice", "invalid_value", "audio.voice")


def html(_body: dict, _number: int) -> Answer:
    """Is a web page."""
    return Answer(content_type="text/html", steps=[b"<!doctype html><title>It works!</title>"])


def cut(body: dict, _number: int) -> Answer:
    """Breaks off in its second piece."""
    steps = _stream(body, ({"content": text} for text in SAID), "stop").steps
    return Answer.stream([*steps[:2], Break()])


SCRIPTS = {
    "m-chat": chat,
    "m-tools": tools,
    "m-runs": runs,
    "m-structured": structured,
    "m-sees": sees,
    "m-slow": slow,
    "f-flaky": flaky,
    "f-broken": broken,
    "f-busy": busy,
    "f-refuses": refuses,
    "f-html": html,
    "f-cut": cut,
    "s-slow": slow,
}


def _message(body: dict, pieces: list[str]) -> Answer:
    if body.get("stream"):
        return _stream(body, ({"content": text} for text in pieces), "stop")
    return _completion({"role": "assistant", "content": "".join(pieces), "refusal": None}, "stop")


def _completion(message: dict, finish_reason: str) -> Answer:
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return Answer.json({**_object("chat.completion", [choice]), "usage": usage()}, usage=USAGE)


def _calls(body: dict, calls: list[tuple[str, dict]], name: str | None = None) -> Answer:
    name = name or body["tools"][0]["function"]["name"]
    made = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for id, arguments in calls
    ]
    if not body.get("stream"):
        return _completion({"role": "assistant", "content": None, "tool_calls": made}, "tool_calls")
    return _stream(body, _call_deltas(made), "tool_calls")


def _stream(body: dict, deltas: Iterator[dict], finish_reason: str) -> Answer:
    first = {"role": "assistant", "content": ""}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in [first, *deltas]]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish_reason})
    steps = [_event(_object("chat.completion.chunk", [choice])) for choice in choices]
    if (body.get("stream_options") or {}).get("include_usage"):
        steps.append(_event({**_object("chat.completion.chunk", []), "usage": usage()}))
    return Answer.stream([*steps, b"data: [DONE]\n\n"], usage=USAGE)


def _call_deltas(calls: list[dict]) -> Iterator[dict]:
    """Each call's head, then its arguments in two pieces."""
    for index, call in enumerate(calls):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        middle = len(arguments) // 2
        yield {"tool_calls": [{**call, "index": index, "function": {"name": name, "arguments": ""}}]}
        for piece in (arguments[:middle], arguments[middle:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _object(kind: str, choices: list[dict]) -> dict:
    return {"id": "chatcmpl-mock", "object": kind, "created": 1_764_000_000, "model": "mock", "choices": choices}


def usage() -> dict:
    """USAGE as it is reported."""
    prompt = USAGE.input + USAGE.cached
    return {
        "prompt_tokens": prompt,
        "completion_tokens": USAGE.output,
        "total_tokens": prompt + USAGE.output,
        "prompt_tokens_details": {"cached_tokens": USAGE.cached},
    }


def _event(chunk: dict) -> bytes:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def _error(status: int, message: str, code: str, param: str | None = None) -> Answer:
    return Answer.json({"error": {"message": message, "type": "mock", "param": param, "code": code}}, status)
