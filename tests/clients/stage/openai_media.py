"""The mock's answers to OpenAI's routes of images and sound that is heard: models `m-paints…` and `m-hears…` are billed by
tokens, `m-draws…` by the picture, and `m-times…` by the second. What came as a form is a value, or a file (form.py)."""

import base64
import json

from answer import PICTURE, SAID, SECOND, Answer, Sold, Usage
from form import File

# For each picture.
PAINTED = 20
PICTURE_TOKENS = 30
PROMPT_TOKENS = 10
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)
# What is heard in any file.
HEARD = Usage(input=12, cached=0, written=0, output=6)


def generate(body: dict, _number: int) -> Answer:
    """Pictures from nothing but a prompt."""
    return _pictures("image_generation", body, 0)


def edit(body: dict, _number: int) -> Answer:
    """Pictures from others, which must be whole."""
    given = [file for name in ("image", "mask") for file in _several(body.get(name, []))]
    if not all(isinstance(file, File) and file.data.startswith(PNG[:8]) for file in given):
        return Answer.json({"error": {"message": "no picture", "type": "mock", "code": "invalid_image"}}, 400)
    return _pictures("image_edit", body, len(given))


def transcribe(body: dict, _number: int) -> Answer:
    """SAID, whatever is heard, in the format that is asked for."""
    text = "".join(SAID)
    seconds = _seconds(body["file"].data)
    is_timed = body["model"].startswith("m-times")
    bill = Sold(seconds, SECOND) if is_timed else HEARD
    usage = {"type": "duration", "seconds": seconds} if is_timed else _heard()
    if body.get("stream") == "true":
        deltas = [{"type": "transcript.text.delta", "delta": piece} for piece in SAID]
        return _events([*deltas, {"type": "transcript.text.done", "text": text, "usage": usage}], bill)
    match body.get("response_format", "json"):
        case "text" | "srt" | "vtt":
            return Answer(content_type="text/plain; charset=utf-8", steps=[f"{text}\n".encode()], usage=bill)
        case "json":
            return Answer.json({"text": text, "usage": usage}, usage=bill)
        case _:
            segment = {"id": 0, "seek": 0, "start": 0.0, "end": seconds - 0.5, "text": text, "tokens": [1]}
            figures = {"temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}
            words = [{"word": "The", "start": 0.0, "end": 0.5}]
            head = {"task": "transcribe", "language": "english", "duration": seconds - 0.5, "text": text}
            return Answer.json(
                {**head, "segments": [{**segment, **figures}], "words": words, "usage": usage}, usage=bill
            )


def _pictures(event: str, body: dict, given: int) -> Answer:
    count = int(body.get("n") or 1)
    seen = PROMPT_TOKENS + given * PICTURE_TOKENS
    is_drawn = body["model"].startswith("m-draws")
    bill = Sold(count, PICTURE) if is_drawn else Usage(seen, 0, 0, count * PAINTED)
    details = {"text_tokens": PROMPT_TOKENS, "image_tokens": given * PICTURE_TOKENS}
    usage = {"input_tokens": seen, "input_tokens_details": details, "output_tokens": count * PAINTED}
    usage["total_tokens"] = seen + count * PAINTED
    made = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    picture = {"b64_json": base64.b64encode(PNG).decode()}
    if body.get("stream") in (True, "true"):
        piece = {**picture, **made, "created_at": 1_764_000_000}
        previews = [
            {"type": f"{event}.partial_image", "partial_image_index": index, **piece}
            for index in range(int(body.get("partial_images") or 0))
        ]
        return _events([*previews, {"type": f"{event}.completed", **piece, "usage": usage}], bill)
    answer = {"created": 1_764_000_000, "data": [picture] * count, **made}
    return Answer.json(answer if is_drawn else {**answer, "usage": usage}, usage=bill)


def _several(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _seconds(wave: bytes) -> int:
    """Of a WAV file with the shortest head there is."""
    rate = int.from_bytes(wave[28:32], "little")
    return -(-(len(wave) - 44) // rate)


def _heard() -> dict:
    return {
        "type": "tokens",
        "input_tokens": HEARD.input,
        "input_token_details": {"text_tokens": 2, "audio_tokens": HEARD.input - 2},
        "output_tokens": HEARD.output,
        "total_tokens": HEARD.input + HEARD.output,
    }


def _events(events: list[dict], bill: Usage | Sold) -> Answer:
    steps = [f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in events]
    return Answer.stream(steps, usage=bill)
