// Claude Code, the command line tool, with one prompt. It has a home of its own, so that nothing of its user's is read.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import * as world from "./world.js";

const PROGRAM = fileURLToPath(import.meta.resolve("@anthropic-ai/claude-code/cli-wrapper.cjs"));

/** What it prints at the end for a prompt to `model`. */
async function ask(token, model) {
  const home = mkdtempSync("/tmp/claude-code-");
  const settings = {
    HOME: home,
    PATH: process.env.PATH,
    ANTHROPIC_BASE_URL: world.GATEWAY,
    ANTHROPIC_API_KEY: token.key,
    ANTHROPIC_SMALL_FAST_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
  };
  const words = [PROGRAM, "--print", "Say hello", "--output-format", "json", "--model", model];
  words.push("--allowedTools", "Bash(echo:*)");
  const child = spawn(process.execPath, words, { cwd: home, env: settings, stdio: ["ignore", "pipe", "inherit"] });
  const printed = await text(child.stdout);
  rmSync(home, { recursive: true });
  return JSON.parse(printed);
}

for (const [provider, script, billed] of [
  ["Anthropic", "am-chat", world.BILLED_MESSAGES],
  ["OpenAI", "m-chat", world.BILLED_CHAT],
  ["Gemini", "gm-chat", world.BILLED_GEMINI],
]) {
  test(`a prompt to a model of ${provider}, within a budget`, async () => {
    const token = await world.token({});
    const said = await ask(token, world.fresh(script));
    assert.deepEqual([said.is_error, said.result], [false, world.SAID]);
    assert.deepEqual(await world.calls(token), [200]);
    assert.deepEqual(await world.paid(token, 1), [billed]);
  });
}

for (const [provider, script, billed] of [
  ["Anthropic", "am-runs", world.BILLED_MESSAGES],
  ["OpenAI", "m-runs", world.BILLED_CHAT],
  ["Gemini", "gm-runs", world.BILLED_GEMINI],
]) {
  test(`a command that a model of ${provider} asks for`, async () => {
    const token = await world.token({});
    const said = await ask(token, world.fresh(script));
    assert.deepEqual([said.is_error, said.num_turns], [false, 2]);
    assert.match(said.result, /5 degrees/);
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });
}

for (const [name, fields, status, code] of [
  ["a spent total", { remain_quota: 0 }, 402, "insufficient_quota"],
  ["a spent day", { unlimited_quota: true, daily_quota: 1 }, 429, "daily_limit_exceeded"],
]) {
  test(`${name}, asked once`, async () => {
    const token = await world.token(fields);
    const said = await ask(token, world.fresh("am-chat"));
    assert.deepEqual([said.is_error, said.api_error_status, said.api_error_code], [true, status, code]);
    assert.deepEqual(await world.calls(token), [status]);
  });
}
