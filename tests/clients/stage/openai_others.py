"""The mock's answers to what OpenAI has beside chat completions and responses: older completions, embeddings, moderations,
speech. Whatever the model; scripted where it must be."""

import base64
import json
import struct

from answer import CHARACTER, SAID, Answer, Break, Sold, Usage
from openai_chat import USAGE, usage

# Tokens of each embedded text.
EMBEDDED = 8
SOUND = [b"\xff\xfb\x90\x64" + bytes(1_000), bytes(2_000)]


def complete(body: dict, _number: int) -> Answer:
    """Says SAID."""
    if not body.get("stream"):
        return Answer.json({**_completion("".join(SAID), "stop"), "usage": usage()}, usage=USAGE)
    chunks = [_completion(text, None) for text in SAID]
    chunks.append(_completion("", "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**_completion("", None), "choices": [], "usage": usage()})
    steps = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode() for chunk in chunks]
    return Answer.stream([*steps, b"data: [DONE]\n\n"], usage=USAGE)


def embed(body: dict, _number: int) -> Answer:
    """A vector for each text or list of token ids."""
    inputs = body["input"]
    several = inputs if isinstance(inputs, list) and not isinstance(inputs[0], int) else [inputs]
    vectors = [[0.25, -0.5, float(number), float(len(one))] for number, one in enumerate(several)]
    is_packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if is_packed else vector}
        for index, vector in enumerate(vectors)
    ]
    total = EMBEDDED * len(vectors)
    answer = {"object": "list", "data": data, "model": "mock"}
    figures = {"prompt_tokens": total, "total_tokens": total}
    return Answer.json({**answer, "usage": figures}, usage=Usage(total, 0, 0, 0))


def judge(body: dict, _number: int) -> Answer:
    """Minds whatever says "bad". The provider bills nothing for it."""
    inputs = body["input"]
    parts = inputs if isinstance(inputs, list) and isinstance(inputs[0], str) else [inputs]
    results = []
    for part in parts:
        is_bad = "bad" in json.dumps(part)
        categories, scores = dict.fromkeys(CATEGORIES, is_bad), dict.fromkeys(CATEGORIES, float(is_bad))
        types = {category: ["text"] for category in CATEGORIES}
        results.append(
            {
                "flagged": is_bad,
                "categories": categories,
                "category_scores": scores,
                "category_applied_input_types": types,
            }
        )
    return Answer.json({"id": "modr-mock", "model": "mock", "results": results})


def speak(body: dict, _number: int) -> Answer:
    """Some sound, in two pieces; breaks off after the first where the model is to."""
    bill = Sold(len(body["input"]), CHARACTER)
    if body["model"].startswith("m-speaks-not"):
        return Answer(content_type="audio/mpeg", steps=[SOUND[0], Break()], usage=bill)
    return Answer(content_type="audio/mpeg", steps=list(SOUND), usage=bill)


CATEGORIES = ["harassment", "hate", "illicit", "self-harm", "sexual", "violence", "violence/graphic"]


def _completion(text: str, finish_reason: str | None) -> dict:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "cmpl-mock", "object": "text_completion", "created": 1_764_000_000, "model": "mock"}
    return {**head, "choices": [choice]}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
