// The `@anthropic-ai/sdk` package: what fails. Each failure is the class that the package has for it, and what must not be
// tried again is not.

import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import * as world from "./world.js";

const HELLO = { max_tokens: 500, messages: [{ role: "user", content: "Say hello" }] };
const LIMITED = { model_limits_enabled: true, model_limits: "demo" };

// Name; fields of the token, model, parameters; class, status, type; statuses of the requests that reached the gateway. The
// package tries twice more what it may try again.
const FAILURES = [
  ["spent total", { remain_quota: 0 }, "am-chat", {}, Anthropic.APIError, 402, "billing_error", [402]],
  ["spent day", { daily_quota: 1 }, "am-chat", {}, Anthropic.RateLimitError, 429, "rate_limit_error", [429]],
  ["spent month", { monthly_quota: 1 }, "am-chat", {}, Anthropic.RateLimitError, 429, "rate_limit_error", [429]],
  [
    "streamed",
    { daily_quota: 1 },
    "am-chat",
    { stream: true },
    Anthropic.RateLimitError,
    429,
    "rate_limit_error",
    [429],
  ],
  ["not on the list", LIMITED, "am-chat", {}, Anthropic.PermissionDeniedError, 403, "permission_error", [403]],
  ["no such model", {}, "nope", {}, Anthropic.NotFoundError, 404, "not_found_error", [404]],
  ["bad parameter", {}, "am-chat", { max_tokens: -1 }, Anthropic.BadRequestError, 400, "invalid_request_error", [400]],
  ["provider refuses", {}, "af-refuses", {}, Anthropic.BadRequestError, 400, "invalid_request_error", [400]],
  ["provider busy", {}, "af-busy", {}, Anthropic.RateLimitError, 429, "rate_limit_error", [429, 429, 429]],
  ["provider broken", {}, "af-broken", {}, Anthropic.InternalServerError, 502, "api_error", [502, 502, 502]],
  ["overloaded", {}, "af-overloaded", {}, Anthropic.InternalServerError, 502, "api_error", [502, 502, 502]],
];

const connect = (apiKey, options) => new Anthropic({ baseURL: world.GATEWAY, apiKey, ...options });

for (const [name, fields, script, parameters, kind, status, type, statuses] of FAILURES) {
  test(`a failure: ${name}`, async () => {
    const token = await world.token(fields);
    const model = /^..-/.test(script) ? world.fresh(script) : script;
    const error = await world.failure(connect(token.key).messages.create({ model, ...HELLO, ...parameters }));
    assert(error instanceof kind, error);
    assert.deepEqual([error.status, error.error.error.type], [status, type]);
    assert.equal(error.requestID, error.headers.get("x-request-id"));
    assert.deepEqual(await world.calls(token), statuses);
    const reached = script.startsWith("af-") ? statuses.length : 0;
    assert.equal((await world.received(model)).length, reached);
    assert((await world.rows(token, reached)).every((row) => Number(row.charged_usd) === 0));
  });
}

test("a key that is none", async () => {
  for (const key of [`sk-${"x".repeat(48)}`, "sk-ant-wrong"]) {
    const error = await world.failure(connect(key).messages.create({ model: "demo", ...HELLO }));
    assert.deepEqual([error.constructor, error.status], [Anthropic.AuthenticationError, 401]);
  }
});

test("a fault is tried again", async () => {
  const token = await world.token();
  const answer = await connect(token.key).messages.create({ model: world.fresh("af-flaky"), ...HELLO });
  assert.equal(answer.content[0].text, world.SAID);
  assert.deepEqual(await world.calls(token), [502, 200]);
});

test("a provider that is too slow", async () => {
  const token = await world.token();
  const client = connect(token.key, { maxRetries: 0 });
  const error = await world.failure(client.messages.create({ model: world.fresh("as-slow"), ...HELLO }));
  assert.equal(error.status, 504);
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_unknown", world.FLOOR]);
  await world.expect(row.id, world.FLOOR);
});

test("a stream that breaks", async () => {
  const token = await world.token();
  const stream = await connect(token.key).messages.create({ model: world.fresh("af-cut"), stream: true, ...HELLO });
  const error = await world.failure(world.each(stream));
  assert(error instanceof Anthropic.APIError, error);
  assert.equal(error.error.error.details.error_code, "upstream_error");
  const [row] = await world.rows(token, 1);
  // The input as the first event said, and the nine bytes that were said.
  const charged = 10 * 2_000 + 4 * 500 + 6 * 2_500 + 3 * 8_000;
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_error", charged]);
  await world.expect(row.id, charged);
});
