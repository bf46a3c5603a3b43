"""The mock's answers to Gemini's methods, scripted as those of openai_chat.py: models `gm-…` work, models `gf-…` have
faults, and channels that have little patience serve `gs-…`. The path names the model."""

import base64
import json
import re

from answer import CALLS, CITY, RUNNERS, SAID, Answer, Break, Usage, Wait

USAGE = Usage(input=16, cached=4, written=0, output=6)
# What a model thinks before it speaks; these tokens are billed as output, beside those of the answer.
THOUGHT = "The mock thinks."
THOUGHTS = 5
# Tokens of each embedded content, and of whatever is counted.
EMBEDDED = 8
COUNTED = 14


def answer(body: dict, number: int) -> Answer:
    """The answer to the request `number`, from 0, for this model."""
    return SCRIPTS[body["model"].partition("@")[0]](_camel(body), number)


def stream(body: dict, number: int) -> Answer:
    """The same as server-sent events."""
    return answer({**body, "stream": True}, number)


def count(_body: dict, _number: int) -> Answer:
    """What a request would be in tokens."""
    return Answer.json({"totalTokens": COUNTED, "promptTokensDetails": _details(COUNTED)})


def embed(body: dict, _number: int) -> Answer:
    """One vector."""
    usage = {"promptTokenCount": EMBEDDED}
    return Answer.json({"embedding": _vector(body, 0), "usageMetadata": usage}, usage=Usage(EMBEDDED, 0, 0, 0))


def embed_all(body: dict, _number: int) -> Answer:
    """A vector for each content."""
    vectors = [_vector(request, number) for number, request in enumerate(body["requests"])]
    total = EMBEDDED * len(vectors)
    return Answer.json(
        {"embeddings": vectors, "usageMetadata": {"promptTokenCount": total}}, usage=Usage(total, 0, 0, 0)
    )


def chat(body: dict, _number: int) -> Answer:
    """Says SAID."""
    return _parts(body, [{"text": text} for text in SAID])


def thinks(body: dict, _number: int) -> Answer:
    """Says SAID after a thought."""
    parts = [{"text": THOUGHT, "thought": True}, *({"text": text} for text in SAID)]
    return _parts(body, parts, THOUGHTS)


def continues(body: dict, _number: int) -> Answer:
    """Says SAID in two goes: the second is asked for with what the first gave."""
    if body.get("continuationToken") == TO_BE_CONTINUED["continuationToken"]:
        return _parts(body, [{"text": SAID[2]}])
    return _parts(body, [{"text": text} for text in SAID[:2]], end=TO_BE_CONTINUED)


def tools(body: dict, _number: int) -> Answer:
    """Calls the function for two cities at once; repeats the results once it has them."""
    parts = body["contents"][-1]["parts"]
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    if results:
        degrees = [[*result.values()][-1] for result in results]
        return _parts(body, [{"text": f"It is {' and '.join(degrees)}."}])
    name = body["tools"][0]["functionDeclarations"][0]["name"]
    return _parts(body, [{"functionCall": {"id": id, "name": name, "args": arguments}} for id, arguments in CALLS])


def runs(body: dict, _number: int) -> Answer:
    """Has a command run, as the programs' models do; repeats what came of it."""
    parts = body["contents"][-1]["parts"]
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    if results:
        return _parts(body, [{"text": next(iter(results[0].values()))}])
    declared = [function["name"] for tool in body["tools"] for function in tool["functionDeclarations"]]
    name = next(name for name in declared if name in RUNNERS)
    return _parts(body, [{"functionCall": {"id": "call_1", "name": name, "args": RUNNERS[name]}}])


def structured(body: dict, _number: int) -> Answer:
    """Fills the schema of a city; refuses a request that has none."""
    config = body.get("generationConfig", {})
    if config.get("responseMimeType") != "application/json" or not config.keys() & SCHEMAS:
        return _error(400, "INVALID_ARGUMENT", "there is no schema to fill")
    return _parts(body, [{"text": text} for text in CITY])


def sees(body: dict, _number: int) -> Answer:
    """Tells type and size of each image, which must be inline."""
    blobs = [part["inlineData"] for part in body["contents"][-1]["parts"] if "inlineData" in part]
    seen = [f"{blob['mimeType']} of {len(_decoded(blob['data']))} bytes" for blob in blobs]
    return _parts(body, [{"text": ", ".join(seen)}])


def slow(body: dict, _number: int) -> Answer:
    """Says nothing, or in a stream no more than a piece, until it is released."""
    said = _parts(body, [{"text": text} for text in SAID])
    said.steps.insert(1 if body.get("stream") else 0, Wait())
    return said


def flaky(body: dict, number: int) -> Answer:
    """Fails the first time."""
    return broken(body, number) if number == 0 else chat(body, number)


def broken(_body: dict, _number: int) -> Answer:
    """Fails."""
    return _error(500, "INTERNAL", "the mock is broken")


def busy(_body: dict, _number: int) -> Answer:
    """Is at its own rate limit."""
    return _error(429, "RESOURCE_EXHAUSTED", "the mock is busy")


def refuses(_body: dict, _number: int) -> Answer:
    """Finds a field wrong."""
    return _error(400, "INVALID_ARGUMENT", "contents[0]: the mock does not like it")


def cut(body: dict, _number: int) -> Answer:
    """Breaks off after its first piece."""
    return Answer.stream([*_parts(body, [{"text": text} for text in SAID]).steps[:1], Break()])


STOP = {"finishReason": "STOP"}
TO_BE_CONTINUED = {"finishReason": "CONTINUATION", "continuationToken": "bW9jaw=="}
SCHEMAS = {"responseSchema", "responseJsonSchema"}

SCRIPTS = {
    "gm-chat": chat,
    "gm-thinks": thinks,
    "gm-continues": continues,
    "gm-tools": tools,
    "gm-runs": runs,
    "gm-structured": structured,
    "gm-sees": sees,
    "gm-slow": slow,
    "gf-flaky": flaky,
    "gf-broken": broken,
    "gf-busy": busy,
    "gf-refuses": refuses,
    "gf-cut": cut,
    "gs-slow": slow,
}


def _parts(body: dict, parts: list[dict], thoughts: int = 0, end: dict = STOP) -> Answer:
    usage = Usage(USAGE.input, USAGE.cached, USAGE.written, USAGE.output + thoughts)
    if not body.get("stream"):
        return Answer.json(_response(parts, USAGE.output, thoughts, end), usage=usage)
    # A part for each chunk, and the counts as they stand.
    chunks = [_response([part], at, 0, {}) for at, part in enumerate(parts[:-1], 1)]
    chunks.append(_response(parts[-1:], USAGE.output, thoughts, end))
    return Answer.stream([f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n".encode() for chunk in chunks], usage)


def _response(parts: list[dict], written: int, thoughts: int, end: dict) -> dict:
    prompt = USAGE.input + USAGE.cached
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": USAGE.cached,
        "candidatesTokenCount": written,
        "totalTokenCount": prompt + written + thoughts,
        "promptTokensDetails": _details(prompt),
        "cacheTokensDetails": _details(USAGE.cached),
    }
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0, **end}],
        "usageMetadata": {**usage, "thoughtsTokenCount": thoughts} if thoughts else usage,
        "modelVersion": "mock",
        "responseId": "mock",
    }


def _camel(body: object) -> object:
    """The same with its keys in one spelling: Google takes two, and its SDKs mix them."""
    match body:
        case dict():
            return {re.sub("_([a-z])", lambda found: found[1].upper(), key): _camel(body[key]) for key in body}
        case list():
            return [_camel(item) for item in body]
        case _:
            return body


def _details(tokens: int) -> list[dict]:
    return [{"modality": "TEXT", "tokenCount": tokens}]


def _vector(request: dict, number: int) -> dict:
    """Has a number for each, and the length of the text last."""
    text = "".join(part["text"] for part in request["content"]["parts"])
    return {"values": [0.25, -0.5, number, len(text)]}


def _decoded(data: str) -> bytes:
    """Base64 in either alphabet: SDKs differ."""
    return base64.b64decode(data.replace("-", "+").replace("_", "/"))


def _error(code: int, status: str, message: str) -> Answer:
    return Answer.json({"error": {"code": code, "message": message, "status": status}}, code)
