// The `@google/genai` package: what fails. It has one class for all, whose `status` tells, and whose message is the body. It
// tries nothing again unless told to, and then looks at the status alone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, GoogleGenAI } from "@google/genai";

import * as world from "./world.js";

const HELLO = "Say hello";
const LIMITED = { model_limits_enabled: true, model_limits: "demo" };

// Name; fields of the token, model, configuration; code, status, exact cause.
const FAILURES = [
  ["spent total", { remain_quota: 0 }, "gm-chat", {}, 402, "RESOURCE_EXHAUSTED", "INSUFFICIENT_QUOTA"],
  ["spent day", { daily_quota: 1 }, "gm-chat", {}, 429, "RESOURCE_EXHAUSTED", "DAILY_LIMIT_EXCEEDED"],
  ["spent month", { monthly_quota: 1 }, "gm-chat", {}, 429, "RESOURCE_EXHAUSTED", "MONTHLY_LIMIT_EXCEEDED"],
  ["not on the list", LIMITED, "gm-chat", {}, 403, "PERMISSION_DENIED", "MODEL_NOT_ALLOWED"],
  ["no such model", {}, "nope", {}, 404, "NOT_FOUND", "MODEL_NOT_FOUND"],
  ["no price", {}, "unpriced-by-google", {}, 402, "FAILED_PRECONDITION", "MODEL_NOT_PRICED"],
  ["bad parameter", {}, "gm-chat", { maxOutputTokens: 0 }, 400, "INVALID_ARGUMENT", "INVALID_PARAMETER"],
  ["provider refuses", {}, "gf-refuses", {}, 400, "INVALID_ARGUMENT", undefined],
  ["provider busy", {}, "gf-busy", {}, 429, "RESOURCE_EXHAUSTED", undefined],
  ["provider broken", {}, "gf-broken", {}, 502, "UNAVAILABLE", "UPSTREAM_ERROR"],
];

const connect = (apiKey, options) =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: world.GATEWAY, ...options } }).models;

for (const [name, fields, script, config, code, status, reason] of FAILURES) {
  for (const how of ["generateContent", "generateContentStream"]) {
    test(`a failure of ${how}: ${name}`, async () => {
      const token = await world.token(fields);
      const model = /^..-/.test(script) ? world.fresh(script) : script;
      const error = await world.failure(connect(token.key)[how]({ model, contents: HELLO, config }));
      assert(error instanceof ApiError, error);
      const told = JSON.parse(error.message).error;
      assert.deepEqual([error.status, told.status, told.details?.[0].reason], [code, status, reason]);
      assert.deepEqual(await world.calls(token), [code]);
      const reached = script.startsWith("gf-") ? 1 : 0;
      assert.equal((await world.received(model)).length, reached);
      assert((await world.rows(token, reached)).every((row) => Number(row.charged_usd) === 0));
    });
  }
}

test("a key that is none", async () => {
  for (const key of [`sk-${"x".repeat(48)}`, "sk-wrong"]) {
    const error = await world.failure(connect(key).generateContent({ model: "demo", contents: HELLO }));
    assert.deepEqual([error.constructor, error.status], [ApiError, 401]);
    assert(!error.message.includes(key));
  }
});

test("embeddings beyond a budget", async () => {
  const token = await world.token({ daily_quota: 1 });
  const model = world.fresh("gm-embeds");
  const error = await world.failure(connect(token.key).embedContent({ model, contents: HELLO }));
  assert.deepEqual([error.constructor, error.status], [ApiError, 429]);
  assert.deepEqual(await world.calls(token), [429]);
});

test("a fault is tried again", async () => {
  const token = await world.token();
  const models = connect(token.key, { retryOptions: { attempts: 2, initialDelay: 0.01 } });
  const answer = await models.generateContent({ model: world.fresh("gf-flaky"), contents: HELLO });
  assert.equal(answer.text, world.SAID);
  assert.deepEqual(await world.calls(token), [502, 200]);
});

test("a provider that is too slow", async () => {
  const token = await world.token();
  const model = world.fresh("gs-slow");
  const error = await world.failure(connect(token.key).generateContent({ model, contents: HELLO }));
  assert.equal(error.status, 504);
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_unknown", world.FLOOR]);
  await world.expect(row.id, world.FLOOR);
});

test("a stream that breaks", async () => {
  const token = await world.token();
  const stream = await connect(token.key).generateContentStream({ model: world.fresh("gf-cut"), contents: HELLO });
  const error = await world.failure(world.each(stream));
  assert.deepEqual([error.constructor, error.status], [ApiError, 502]);
  const [row] = await world.rows(token, 1);
  // All as the first chunk said: the prompt, and one token.
  const charged = 16 * 2_000 + 4 * 500 + 8_000;
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_error", charged]);
  await world.expect(row.id, charged);
});
