// The `openai` package: what fails. Each failure is the class that the package has for it, and what must not be tried again
// is not.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import * as world from "./world.js";

const HELLO = [{ role: "user", content: "Say hello" }];
const LIMITED = { model_limits_enabled: true, model_limits: "demo" };

// Name; fields of the token, model, parameters; class, status, code; statuses of the requests that reached the gateway. The
// package tries twice more what it may try again.
const FAILURES = [
  ["spent total", { remain_quota: 0 }, "m-chat", {}, OpenAI.APIError, 402, "insufficient_quota", [402]],
  ["spent day", { daily_quota: 1 }, "m-chat", {}, OpenAI.RateLimitError, 429, "daily_limit_exceeded", [429]],
  ["spent month", { monthly_quota: 1 }, "m-chat", {}, OpenAI.RateLimitError, 429, "monthly_limit_exceeded", [429]],
  [
    "streamed",
    { daily_quota: 1 },
    "m-chat",
    { stream: true },
    OpenAI.RateLimitError,
    429,
    "daily_limit_exceeded",
    [429],
  ],
  ["not on the list", LIMITED, "m-chat", {}, OpenAI.PermissionDeniedError, 403, "model_not_allowed", [403]],
  [
    "wrong address",
    { allow_ips: "192.0.2.1" },
    "m-chat",
    {},
    OpenAI.PermissionDeniedError,
    403,
    "ip_not_allowed",
    [403],
  ],
  ["no scope", { scopes: ["manage"] }, "m-chat", {}, OpenAI.PermissionDeniedError, 403, "scope_missing", [403]],
  ["no such model", {}, "nope", {}, OpenAI.NotFoundError, 404, "model_not_found", [404]],
  ["no price", {}, "unpriced", {}, OpenAI.APIError, 402, "model_not_priced", [402]],
  ["bad parameter", {}, "m-chat", { max_tokens: 0 }, OpenAI.BadRequestError, 400, "invalid_parameter", [400]],
  ["provider refuses", {}, "f-refuses", {}, OpenAI.BadRequestError, 400, "invalid_value", [400]],
  ["provider busy", {}, "f-busy", {}, OpenAI.RateLimitError, 429, "rate_limit_exceeded", [429, 429, 429]],
  ["provider broken", {}, "f-broken", {}, OpenAI.InternalServerError, 502, "upstream_error", [502, 502, 502]],
  ["web page", {}, "f-html", { stream: true }, OpenAI.InternalServerError, 502, "upstream_error", [502, 502, 502]],
];

const connect = (apiKey, options) => new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey, ...options });

for (const [name, fields, script, parameters, kind, status, code, statuses] of FAILURES) {
  test(`a failure: ${name}`, async () => {
    const token = await world.token(fields);
    const model = /^.-/.test(script) ? world.fresh(script) : script;
    const error = await world.failure(
      connect(token.key).chat.completions.create({ model, messages: HELLO, ...parameters }),
    );
    assert.deepEqual([error.constructor, error.status, error.code], [kind, status, code]);
    assert(error.message && error.type);
    assert.equal(error.requestID, error.headers.get("x-request-id"));
    assert.deepEqual(await world.calls(token), statuses);
    const reached = script.startsWith("f-") ? statuses.length : 0;
    assert.equal((await world.received(model)).length, reached);
    assert((await world.rows(token, reached)).every((row) => Number(row.charged_usd) === 0));
  });
}

test("a key that is none", async () => {
  const disabled = await world.token();
  await world.change(disabled, { status: 2 });
  for (const key of [disabled.key, `sk-${"x".repeat(48)}`, "sk-wrong"]) {
    const error = await world.failure(connect(key).chat.completions.create({ model: "demo", messages: HELLO }));
    assert.deepEqual([error.constructor, error.status], [OpenAI.AuthenticationError, 401]);
    assert(!String(error).includes(key));
  }
});

test("a fault is tried again", async () => {
  const token = await world.token();
  const answer = await connect(token.key).chat.completions.create({ model: world.fresh("f-flaky"), messages: HELLO });
  assert.equal(answer.choices[0].message.content, world.SAID);
  assert.deepEqual(await world.calls(token), [502, 200]);
});

test("a rate limit tells when", async () => {
  const token = await world.token({ rpm: 1 });
  const { completions } = connect(token.key, { maxRetries: 0 }).chat;
  const { response } = await completions.create({ model: world.fresh("m-chat"), messages: HELLO }).withResponse();
  assert.equal(response.headers.get("x-ratelimit-limit-requests"), "1");
  const error = await world.failure(completions.create({ model: "m-chat", messages: HELLO }));
  assert.deepEqual([error.constructor, error.code], [OpenAI.RateLimitError, "rate_limit_exceeded"]);
  const wait = Number(error.headers.get("retry-after"));
  assert(0 < wait && wait <= 60, wait);
});

test("a client that cannot wait", async () => {
  const token = await world.token();
  const model = world.fresh("m-slow");
  const client = connect(token.key, { timeout: 1_000, maxRetries: 0 });
  const error = await world.failure(client.chat.completions.create({ model, messages: HELLO }));
  assert.equal(error.constructor, OpenAI.APIConnectionTimeoutError);
  // Its provider bills it all the same: the gateway reads the answer to its end, whenever it hears that the client left.
  await world.release(model);
  assert.deepEqual(await world.paid(token, 1), [world.BILLED_CHAT]);
});

test("a provider that is too slow", async () => {
  const token = await world.token();
  const client = connect(token.key, { maxRetries: 0 });
  const error = await world.failure(client.chat.completions.create({ model: world.fresh("s-slow"), messages: HELLO }));
  assert.deepEqual(
    [error.constructor, error.status, error.code],
    [OpenAI.InternalServerError, 504, "upstream_timeout"],
  );
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_unknown", world.FLOOR]);
  await world.expect(row.id, world.FLOOR);
});

test("a stream that breaks", async () => {
  const token = await world.token();
  const model = world.fresh("f-cut");
  const stream = await connect(token.key).chat.completions.create({ model, messages: HELLO, stream: true });
  const error = await world.failure(world.each(stream));
  assert(error instanceof OpenAI.APIError);
  assert.equal(error.code, "upstream_error");
  const [row] = await world.rows(token, 1);
  // The floor, and the nine bytes that were said.
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_error", world.FLOOR + 3 * 8_000]);
  await world.expect(row.id, world.FLOOR + 3 * 8_000);
});
