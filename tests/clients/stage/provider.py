"""The mock provider: an HTTP server that keeps what it received, answers by script, and knows what each answer must be
charged. Suites ask it for their requests, release what waits, and tell what they expect beyond, under /control/."""

import json
import re
import select
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import anthropic_messages
import form
import gemini
import openai_chat
import openai_media
import openai_others
import openai_responses
from answer import Answer, Break, Wait

KEY = "sk-mock-provider"
# By path; by method in Gemini's, which name the model before it.
METERED = {
    "/v1/chat/completions": openai_chat.answer,
    "/v1/completions": openai_others.complete,
    "/v1/responses": openai_responses.answer,
    "/v1/embeddings": openai_others.embed,
    "/v1/moderations": openai_others.judge,
    "/v1/audio/speech": openai_others.speak,
    "/v1/audio/transcriptions": openai_media.transcribe,
    "/v1/audio/translations": openai_media.transcribe,
    "/v1/images/generations": openai_media.generate,
    "/v1/images/edits": openai_media.edit,
    "/v1/messages": anthropic_messages.answer,
    "generateContent": gemini.answer,
    "streamGenerateContent": gemini.stream,
    "embedContent": gemini.embed,
    "batchEmbedContents": gemini.embed_all,
}
FREE = {
    "/v1/responses/input_tokens": openai_responses.count,
    "/v1/messages/count_tokens": anthropic_messages.count,
    "countTokens": gemini.count,
}


class Provider(ThreadingHTTPServer):
    """Listens on a free port of the loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        # Requests by model, in order.
        self.received: defaultdict[str, list[dict]] = defaultdict(list)
        self.released: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        # Nanodollars by the gateway's id of the request.
        self.expected: dict[str, int] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Serves in a thread that ends with the process."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def receive(self, model: str, request: dict) -> int:
        """Keeps a request; its number among those for its model."""
        with self.lock:
            requests = self.received[model]
            requests.append(request)
            return len(requests) - 1

    def expect(self, id: str, nanodollars: int) -> None:
        """The gateway must charge this for its request `id`."""
        with self.lock:
            self.expected[id] = nanodollars

    def release_of(self, model: str) -> threading.Event:
        """What the answers for this model wait for."""
        with self.lock:
            return self.released[model]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Provider

    def do_GET(self) -> None:
        """What was received for a model, /control/received?model=…; or what a response is asked for."""
        if self._follow_up():
            return
        with self.server.lock:
            requests = list(self.server.received[self._query("model")])
        self._write(Answer.json(requests))

    def do_POST(self) -> None:
        """A model's request, or a suite's."""
        if self._follow_up():
            return
        body = self._body()
        path = urlsplit(self.path).path
        if path == "/control/release":
            self.server.release_of(self._query("model")).set()
            self._write(Answer.json(None))
        elif path == "/control/expected":
            self.server.expect(body["id"], body["nanodollars"])
            self._write(Answer.json(None))
        else:
            self._answer(path, body)

    def do_DELETE(self) -> None:
        """The end of a stored response."""
        self._follow_up()

    def _follow_up(self) -> bool:
        """Answers what is asked of a stored response, if that is asked; it is kept as a request for its id."""
        parts = urlsplit(self.path)
        found = re.fullmatch(r"/v1/responses/(resp_\w+)(?:/(\w+))?", parts.path)
        if found:
            self.server.receive(found[1], {"method": self.command, "path": self.path})
            query = parse_qs(parts.query)
            self._write(openai_responses.follow_up(self.command, found[1], found[2] or "", query))
        return bool(found)

    def _body(self) -> dict:
        whole = self.rfile.read(int(self.headers["content-length"]))
        kind = self.headers["content-type"] or ""
        return form.read(kind, whole) if kind.startswith("multipart/") else json.loads(whole)

    def _answer(self, path: str, body: dict) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        of_gemini = re.fullmatch(r"/v1(?:beta)?/models/(.+):(\w+)", path)
        name, model = (of_gemini[2], unquote(of_gemini[1])) if of_gemini else (path, body["model"])
        number = self.server.receive(model, {"path": self.path, "headers": headers, "body": form.shown(body)})
        answer = (METERED | FREE)[name]({**body, "model": model}, number)
        if name in METERED:
            # Told beforehand: the gateway may have settled before a write returns.
            self.server.expect(headers["x-client-request-id"], answer.usage.nanodollars if answer.usage else 0)
        if any(isinstance(step, Wait) for step in answer.steps):
            self.waits_for = self.server.release_of(model)
        self._write(answer)

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("x-request-id", "mock-request")
        for step in answer.steps:
            match step:
                case bytes():
                    self._begin()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
                case Wait() if self._is_released():
                    pass
                case Wait() | Break():
                    self.close_connection = True
                    return
        self.wfile.write(b"0\r\n\r\n")

    def _begin(self) -> None:
        """Sends the head before the first piece, so that a silent answer is silent from its head on."""
        if self._headers_buffer:
            self.end_headers()

    def _is_released(self) -> bool:
        """Waits; false when the gateway hung up first."""
        while not self.waits_for.wait(0.01):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable:
                return False
        return True

    def _query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query)[name][0]

    def log_message(self, *_: object) -> None:
        """The gateway's log is enough."""
