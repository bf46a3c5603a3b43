"""Puts the mock provider and two gateways up, one that leads to it and one with no account anywhere, runs the suites against
them, and looks at the books afterwards. Exit code 0: every suite is green and the books agree."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import books
from gateway import ADMIN_KEY, BARE, Gateway, with_channels
from provider import Provider

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--log", required=True, help="where the gateway's log is left")
    parser.add_argument("suites", nargs="*")
    options = parser.parse_args()
    provider = Provider()
    provider.start()
    with tempfile.TemporaryDirectory() as directory:
        configs = {"main": with_channels(provider.url), "bare": BARE}
        gateways = [Gateway(options.binary, Path(directory) / name, config) for name, config in configs.items()]
        try:
            failed = _run_suites(options, _environment(*gateways, provider))
            failed += list(books.problems(gateways, provider))
        finally:
            for gateway in gateways:
                gateway.process.kill()
            shutil.copy(gateways[0].log, options.log)
    if failed:
        print("FAILED", *failed, f"The gateway's log is {options.log}", sep="\n", file=sys.stderr)
    return 1 if failed else 0


def _run_suites(options: argparse.Namespace, environment: dict[str, str]) -> list[str]:
    """Runs one command per language; what failed."""
    suites = options.suites or [
        str(path.relative_to(ROOT)) for path in (*ROOT.glob("python/test_*.py"), *ROOT.glob("node/*.test.js"))
    ]
    commands = {
        ".py": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=3"],
        ".js": [options.node, "--test", "--test-concurrency=1", "--test-reporter=spec"],
    }
    failed = []
    for suffix, command in commands.items():
        chosen = sorted(suite for suite in suites if suite.endswith(suffix))
        if chosen and subprocess.run([*command, *chosen], cwd=ROOT, env=environment).returncode != 0:
            failed.append(f"suites {' '.join(chosen)}")
    return failed


def _environment(gateway: Gateway, bare: Gateway, provider: Provider) -> dict[str, str]:
    """What a suite is told; no variable of the caller's that an SDK would read."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANGSMITH_TRACING": "false",
        "GATEWAY_URL": gateway.url,
        "GATEWAY_LOG": str(gateway.log),
        "BARE_URL": bare.url,
        "ADMIN_KEY": ADMIN_KEY,
        "PROVIDER_URL": provider.url,
    }


sys.exit(main())
