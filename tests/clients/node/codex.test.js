// Codex, the command line tool, with one prompt. It has a home of its own, so that nothing of its user's is read.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import * as world from "./world.js";

const PROGRAM = fileURLToPath(import.meta.resolve("@openai/codex/bin/codex.js"));

// Without retries a refusal is told at once: else Codex tries a 402 six times, and sleeps until a day's limit is over.
const CONFIG = `
model_provider = "tollgate"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.tollgate]
name = "tollgate"
base_url = "${world.GATEWAY}/v1"
env_key = "TOLLGATE_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
`;

/** The events that it prints for a prompt to `model`. */
async function ask(token, model, options = []) {
  const home = mkdtempSync("/tmp/codex-");
  writeFileSync(`${home}/config.toml`, CONFIG);
  const settings = { HOME: home, CODEX_HOME: home, PATH: process.env.PATH, TOLLGATE_KEY: token.key };
  const words = [PROGRAM, "exec", "--json", "--skip-git-repo-check", "--model", model, ...options, "Say hello"];
  const child = spawn(process.execPath, words, { cwd: home, env: settings, stdio: ["ignore", "pipe", "ignore"] });
  const printed = await text(child.stdout);
  rmSync(home, { recursive: true, force: true });
  return printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

// OpenAI alone has the search that it offers its models.
const SEARCHLESS = ["--config", 'web_search="disabled"'];

for (const [provider, script, written, billed, options] of [
  ["OpenAI", "m-chat", 9, world.BILLED_RESPONSE],
  ["Anthropic", "am-chat", 6, world.BILLED_MESSAGES, SEARCHLESS],
  ["Gemini", "gm-chat", 6, world.BILLED_GEMINI, SEARCHLESS],
]) {
  test(`a prompt to a model of ${provider}, within a budget`, async () => {
    const token = await world.token({});
    const events = await ask(token, world.fresh(script), options);
    const said = events.filter((event) => event.item?.type === "agent_message").map((event) => event.item.text);
    assert.deepEqual(said, [world.SAID]);
    const { usage } = events.find((event) => event.type === "turn.completed");
    assert.deepEqual([usage.input_tokens, usage.cached_input_tokens, usage.output_tokens], [20, 4, written]);
    assert.deepEqual(await world.calls(token), [200]);
    assert.deepEqual(await world.paid(token, 1), [billed]);
  });
}

for (const [provider, script, billed, options] of [
  ["OpenAI", "m-runs", world.BILLED_RESPONSE],
  ["Anthropic", "am-runs", world.BILLED_MESSAGES, SEARCHLESS],
  ["Gemini", "gm-runs", world.BILLED_GEMINI, SEARCHLESS],
]) {
  test(`a command that a model of ${provider} asks for`, async () => {
    const token = await world.token({});
    const events = await ask(token, world.fresh(script), options);
    const ran = events.find((event) => event.type === "item.completed" && event.item.type === "command_execution");
    assert.deepEqual([ran.item.exit_code, ran.item.aggregated_output.trim()], [0, "5 degrees"]);
    const said = events.findLast((event) => event.item?.type === "agent_message").item.text;
    assert.match(said, /5 degrees/);
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });
}

for (const [name, fields, status, said] of [
  ["a spent total", { remain_quota: 0 }, 402, /total quota is spent/],
  ["a spent day", { unlimited_quota: true, daily_quota: 1 }, 429, /429 Too Many Requests/],
]) {
  test(`${name}, asked once`, async () => {
    const token = await world.token(fields);
    const events = await ask(token, world.fresh("m-chat"));
    assert.match(events.find((event) => event.type === "turn.failed").error.message, said);
    assert.deepEqual(await world.calls(token), [status]);
  });
}
