"""Reads `multipart/form-data` as a strict server would: fields by name, those of `name[]` as a list. Knows no route."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A part with a file's name."""

    name: str
    data: bytes


def read(content_type: str, body: bytes) -> dict[str, str | File | list]:
    """The fields: text, or files."""
    boundary = re.fullmatch(r'multipart/form-data; ?boundary="?([^"]+)"?', content_type)[1].encode()
    first, *parts, last = body.split(b"--" + boundary)
    assert not first and last.strip() == b"--", (first, last)
    fields: dict = {}
    for part in parts:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = next(
            line for line in head.decode().split("\r\n") if line.lower().startswith("content-disposition")
        )
        name = re.search(r'; ?name="([^"]+)"', disposition)[1]
        file = re.search(r'; ?filename="([^"]*)"', disposition)
        data = data.removesuffix(b"\r\n")
        value = File(file[1], data) if file else data.decode()
        if name.endswith("[]"):
            fields.setdefault(name[:-2], []).append(value)
        else:
            fields[name] = value
    return fields


def shown(fields: dict) -> dict:
    """The same as JSON: of a file its name and its size."""

    def show(value: object) -> object:
        match value:
            case File():
                return {"filename": value.name, "bytes": len(value.data)}
            case list():
                return [show(item) for item in value]
            case _:
                return value

    return {name: show(value) for name, value in fields.items()}
