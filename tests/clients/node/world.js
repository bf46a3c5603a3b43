// What a suite does besides calling an SDK: makes tokens, and asks the gateway's log, its ledger and the mock provider what
// happened. Knows no SDK. python/world.py is the same for Python.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

export const GATEWAY = process.env.GATEWAY_URL;
// A gateway with no account anywhere.
export const BARE = process.env.BARE_URL;
const PROVIDER = process.env.PROVIDER_URL;
// What the mock says (stage/answer.py), and the nanodollars that it bills for each answer: input, read from the cache, written
// to it, output (stage/openai_chat.py and its like).
export const SAID = "The mock provider speaks: été 🚀";
export const BILLED_CHAT = 16 * 2_000 + 4 * 500 + 6 * 8_000;
export const BILLED_RESPONSE = 16 * 2_000 + 4 * 500 + 9 * 8_000;
export const BILLED_GEMINI = 16 * 2_000 + 4 * 500 + 6 * 8_000;
// For each embedded text.
export const BILLED_EMBEDDING = 8 * 2_000;
export const BILLED_MESSAGES = 10 * 2_000 + 4 * 500 + 6 * 2_500 + 6 * 8_000;
// An accepted request of one message "Say hello" costs this at least: (⌈bytes / 4⌉ + 4) of input.
export const FLOOR = (3 + 4) * 2_000;
// Milliseconds until something that must happen counts as missing, and between two looks.
const SOON = 30_000;
const POLL = 20;

/** Makes a token, worth a dollar unless the fields say otherwise: `id`, `key`, the request `since` which it exists, and the
 * gateway, `url`, that knows it. */
export async function token(fields = {}, url = GATEWAY) {
  const grant = "remain_quota" in fields || "unlimited_quota" in fields ? {} : { remain_credits: 200 };
  const { headers, body } = await ask(`${url}/v1/tokens`, { name: "suite", ...grant, ...fields });
  return { id: body.data.id, key: `sk-${body.data.key}`, since: headers.get("x-request-id"), url };
}

/** Changes fields of a token. */
export const change = (token, fields) => ask(`${GATEWAY}/v1/tokens/${token.id}`, fields, "PATCH");

/** A model that answers by this script, and that no other test asks for. */
export const fresh = (script) => `${script}@${randomUUID().slice(0, 13)}`;

/** The requests that reached the provider for this model: `path`, `headers`, `body`. */
export const received = async (model) =>
  (await ask(`${PROVIDER}/control/received?model=${encodeURIComponent(model)}`)).body;

/** Lets the provider's answers for this model go on. */
export const release = (model) => ask(`${PROVIDER}/control/release?model=${encodeURIComponent(model)}`, {});

/** Tells what request `id` must be charged, where the provider cannot know: the books are compared at the end. */
export const expect = (id, nanodollars) => ask(`${PROVIDER}/control/expected`, { id, nanodollars });

/** An amount of an answer or of the ledger. The suites' are small enough to be exact. */
export const nanodollars = (usd) => Math.round(Number(usd) * 1e9);

/** A token's charges, newest first, once there are `count` of them. */
export function rows(token, count) {
  const look = async () => {
    const { body } = await ask(`${token.url}/v1/ledger?token_id=${token.id}&page_size=100`);
    return body.data.items.filter((row) => row.outcome !== "credit");
  };
  return soon(look, (rows) => rows.length === count);
}

/** The nanodollars of a token's charges, once there are `count` of them. */
export const paid = async (token, count) => (await rows(token, count)).map((row) => nanodollars(row.charged_usd));

/** Silence, as a WAV file of 8000 samples a second, a byte each. */
export function wave(seconds) {
  const head = Buffer.alloc(44);
  const size = seconds * 8_000;
  for (const [at, text] of [
    [0, "RIFF"],
    [8, "WAVEfmt "],
    [36, "data"],
  ])
    head.write(text, at);
  for (const [at, number] of [
    [4, size + 36],
    [16, 16],
    [20, 0x10001],
    [24, 8_000],
    [28, 8_000],
    [32, 0x80001],
    [40, size],
  ])
    head.writeUInt32LE(number, at);
  return Buffer.concat([head, Buffer.alloc(size)]);
}

/** What a call fails with. */
export async function failure(call) {
  const error = await call.then(
    () => undefined,
    (error) => error,
  );
  assert(error, "the call fails");
  return error;
}

/** The statuses of all model requests of this token that reached the gateway, in order; also of those that were refused
 * before they counted as its own. */
export async function calls(token) {
  // Lines are logged in order: what was before the marker is there once the marker is.
  const marker = (await ask(`${GATEWAY}/v1/balance`)).headers.get("x-request-id");
  const lines = await soon(log, (lines) => lines.some((line) => line.id === marker));
  const since = lines.findIndex((line) => line.id === token.since);
  const own = lines.slice(since + 1).filter((line) => [token.id, undefined].includes(line.token));
  return own.filter((line) => line.method === "POST").map((line) => line.status);
}

/** All that an asynchronous iterable gives. */
export async function each(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

function log() {
  const whole = readFileSync(process.env.GATEWAY_LOG, "utf8").split("\n").slice(0, -1);
  return whole.map((line) => JSON.parse(line));
}

async function soon(look, isThere) {
  const deadline = Date.now() + SOON;
  for (;;) {
    const seen = await look();
    if (isThere(seen)) return seen;
    assert(Date.now() < deadline, JSON.stringify(seen));
    await pause(POLL);
  }
}

/** JSON for JSON, as the administrator: the headers of the answer, and the answer. */
async function ask(url, body, method = body === undefined ? "GET" : "POST") {
  const headers = { authorization: `Bearer ${process.env.ADMIN_KEY}`, "content-type": "application/json" };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
  return { headers: answer.headers, body: JSON.parse(text) };
}
