"""The gateway under test: the real binary in a directory of its own, and what its administrator asks it."""

import json
import re
import secrets
import string
import subprocess
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from answer import CACHED, CHARACTER, INPUT, OUTPUT, PICTURE, SECOND, WRITTEN
from provider import KEY

# Of every gateway.
ADMIN_KEY = "sk-" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(48))
# Seconds that a stop may take.
PATIENCE = 30


class Gateway:
    """Runs from its making to `stop`."""

    def __init__(self, binary: str, directory: Path, config: str) -> None:
        self.binary, self.directory = binary, directory
        directory.mkdir()
        self.log = directory / "log"
        (directory / "config.toml").write_text(config)
        self.process = subprocess.Popen(
            [binary],
            cwd=directory,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
        )
        lines = (re.fullmatch(r"listening on (http://\S+)\n", line) for line in self.process.stdout)
        found = next((line for line in lines if line), None)
        if found is None:
            raise SystemExit(f"the gateway does not listen:\n{self.log.read_text()}")
        self.url = found[1]

    def ask(self, path: str) -> dict:
        """The `data` of an answer to the administrator."""
        request = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {ADMIN_KEY}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer, parse_float=Decimal)["data"]

    def items(self, path: str) -> Iterator[dict]:
        """All items of all pages."""
        page = 1
        while items := self.ask(f"{path}?page_size=100&page={page}")["items"]:
            yield from items
            page += 1

    def stop(self) -> int:
        """Asks it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`tollgate verify` on its directory."""
        return subprocess.run(
            [self.binary, "verify"], cwd=self.directory, env=self._environment(), capture_output=True, text=True
        )

    def _environment(self) -> dict[str, str]:
        return {"TOLLGATE_ADMIN_KEY": ADMIN_KEY, "MOCK_KEY": KEY}


# Name, provider, base URL behind the mock's own, models, more. A provider's faults have a channel of their own, so that they
# count against no other; so has what is never in time. What is `unpriced` has no price.
CHANNELS = [
    ("openai", "openai", "/v1", ["m-*", "unpriced"], ""),
    ("openai-faulty", "openai", "/v1", ["f-*"], ""),
    ("openai-impatient", "openai", "/v1", ["s-*"], "timeouts = { total = 1 }"),
    ("anthropic", "anthropic", "", ["am-*"], ""),
    ("anthropic-faulty", "anthropic", "", ["af-*"], ""),
    ("anthropic-impatient", "anthropic", "", ["as-*"], "timeouts = { total = 1 }"),
    ("gemini", "gemini", "", ["gm-*", "unpriced-by-google"], ""),
    ("gemini-faulty", "gemini", "", ["gf-*"], ""),
    ("gemini-impatient", "gemini", "", ["gs-*"], "timeouts = { total = 1 }"),
]
# Nanodollars per token, or for each of what else is sold; of these models by their longer name.
TOKENS = {"input": INPUT, "cached_input": CACHED, "cache_write": WRITTEN, "output": OUTPUT}
PRICES = {
    "m-speaks*": {"per_million_characters": CHARACTER},
    "m-judges*": {"input": 0},
    "m-draws*": {"per_image": PICTURE},
    "m-times*": {"per_second": SECOND},
}
# What a request is held at whose input the gateway does not see: no more than a suite's token has.
MOST_INPUT = 100_000
# What every gateway has; with nothing else it has no account anywhere.
BARE = """
[server]
listen = "127.0.0.1:0"
[logging]
format = "json"
[limits]
management_rpm = 0
"""


def with_channels(provider_url: str) -> str:
    """The configuration that leads to the mock."""
    sections, prices = [BARE], PRICES
    for name, provider, path, models, more in CHANNELS:
        fields = {"name": name, "provider": provider, "base_url": provider_url + path, "models": models}
        # Strings and lists of JSON are TOML's too.
        lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
        sections.append("\n".join(["[[channels]]", *lines, 'api_keys = ["env:MOCK_KEY"]', more]))
        prices = prices | {model: TOKENS for model in models if not model.startswith("unpriced")}
    return "\n".join([*sections, *(_price(model, price) for model, price in prices.items())])


def _price(model: str, price: dict[str, int]) -> str:
    lines = [f'{kind} = "{_dollars(kind, nanodollars):f}"' for kind, nanodollars in price.items()]
    return "\n".join(["[[prices]]", f'model = "{model}"', f"max_input_tokens = {MOST_INPUT}", *lines])


def _dollars(kind: str, nanodollars: int) -> Decimal:
    """A price as it is written: of a picture or a second, else of a million."""
    return Decimal(nanodollars) / (10**9 if kind in ("per_image", "per_second") else 1_000)
