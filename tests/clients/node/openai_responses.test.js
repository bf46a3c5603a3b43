// The `openai` package: responses. Plain, streams, functions, structured output, images, counting, failures.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import * as world from "./world.js";

const HELLO = "Say hello, and été";
const City = z.object({ city: z.string(), population: z.number() });
const TOOL = zodResponsesFunction({ name: "get_weather", parameters: z.object({ city: z.string() }) });

let token;
let client;
let responses;

const connect = (apiKey, options) => new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey, ...options });

beforeEach(async () => {
  token = await world.token();
  client = connect(token.key);
  responses = client.responses;
});

test("a response and its cost", async () => {
  const model = world.fresh("m-chat");
  const call = responses.create({
    model,
    input: HELLO,
    instructions: "Be brief",
    max_output_tokens: 100,
    reasoning: { effort: "low" },
    store: false,
  });
  const { data, response, request_id } = await call.withResponse();
  assert.deepEqual([data.output_text, data.status], [world.SAID, "completed"]);
  assert.equal(data.usage.input_tokens_details.cached_tokens, 4);
  assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), world.BILLED_RESPONSE);
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.id, world.nanodollars(row.charged_usd)], [request_id, world.BILLED_RESPONSE]);
  const [{ body }] = await world.received(model);
  assert.deepEqual(
    [body.input, body.instructions, body.max_output_tokens, body.store],
    [HELLO, "Be brief", 100, false],
  );
});

test("a stream", async () => {
  const events = await world.each(await responses.create({ model: world.fresh("m-chat"), input: HELLO, stream: true }));
  assert.deepEqual([events[0].type, events.at(-1).type], ["response.created", "response.completed"]);
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), world.SAID);
  assert.equal(events.at(-1).response.usage.total_tokens, 29);
  assert.deepEqual(await world.paid(token, 1), [world.BILLED_RESPONSE]);
});

test("a stream by the helper", async () => {
  const final = await responses.stream({ model: world.fresh("m-chat"), input: HELLO }).finalResponse();
  assert.deepEqual([final.output_text, final.usage.output_tokens], [world.SAID, 9]);
});

test("a response that is cut at its cap", async () => {
  const model = world.fresh("m-stops");
  const answer = await responses.create({ model, input: HELLO });
  assert.deepEqual([answer.status, answer.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
  const events = await world.each(await responses.create({ model, input: HELLO, stream: true }));
  assert.equal(events.at(-1).type, "response.incomplete");
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_RESPONSE, world.BILLED_RESPONSE]);
});

test("a stream that is left", async () => {
  const stream = await responses.create({ model: world.fresh("m-slow"), input: HELLO, stream: true });
  for await (const _event of stream) break;
  const [row] = await world.rows(token, 1);
  const charged = world.nanodollars(row.charged_usd);
  assert.equal(row.outcome, "client_gone");
  assert(0 < charged && charged < world.BILLED_RESPONSE, charged);
  await world.expect(row.id, charged);
});

test("functions there and back", async () => {
  const model = world.fresh("m-tools");
  const asked = await responses.parse({ model, input: HELLO, tools: [TOOL] });
  assert.deepEqual(
    asked.output.map((call) => call.parsed_arguments),
    [{ city: "Paris" }, { city: "Oslo" }],
  );
  const results = asked.output.map(({ call_id, parsed_arguments: { city } }) => ({
    type: "function_call_output",
    call_id,
    output: `${city.length} degrees`,
  }));
  const input = [{ role: "user", content: HELLO }, ...asked.output, ...results];
  const answer = await responses.create({ model, input, tools: [TOOL] });
  assert.equal(answer.output_text, "It is 5 degrees and 4 degrees.");
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_RESPONSE, world.BILLED_RESPONSE]);
});

test("functions in a stream", async () => {
  const stream = responses.stream({ model: world.fresh("m-tools"), input: HELLO, tools: [TOOL] });
  const { output } = await stream.finalResponse();
  assert.deepEqual(
    output.map((call) => call.parsed_arguments.city),
    ["Paris", "Oslo"],
  );
});

test("structured output", async () => {
  const model = world.fresh("m-structured");
  const answer = await responses.parse({ model, input: HELLO, text: { format: zodTextFormat(City, "city") } });
  assert.deepEqual(answer.output_parsed, { city: "Paris", population: 2_102_650 });
});

test("an image", async () => {
  const image_url = `data:image/png;base64,${Buffer.alloc(70_000).toString("base64")}`;
  const content = [
    { type: "input_text", text: "What is this?" },
    { type: "input_image", image_url, detail: "low" },
  ];
  const answer = await responses.create({ model: world.fresh("m-sees"), input: [{ role: "user", content }] });
  assert.equal(answer.output_text, "image/png of 70000 bytes");
});

test("counting is free", async () => {
  const poor = await world.token({ remain_quota: 0 });
  const { inputTokens } = connect(poor.key).responses;
  assert.equal((await inputTokens.count({ model: world.fresh("m-chat"), input: HELLO })).input_tokens, 14);
  assert.deepEqual(await world.rows(poor, 0), []);
});

// Name; fields of the token, model, parameters; class, status, code; statuses of the requests that reached the gateway.
for (const [name, fields, script, parameters, kind, status, code, statuses] of [
  ["spent total", { remain_quota: 0 }, "m-chat", {}, OpenAI.APIError, 402, "insufficient_quota", [402]],
  ["spent day", { daily_quota: 1 }, "m-chat", {}, OpenAI.RateLimitError, 429, "daily_limit_exceeded", [429]],
  ["no such model", {}, "nope", {}, OpenAI.NotFoundError, 404, "model_not_found", [404]],
  ["background", {}, "m-chat", { background: true }, OpenAI.BadRequestError, 400, "invalid_parameter", [400]],
  ["provider refuses", {}, "f-refuses", {}, OpenAI.BadRequestError, 400, "invalid_value", [400]],
  ["broken", {}, "f-broken", { stream: true }, OpenAI.InternalServerError, 502, "upstream_error", [502, 502, 502]],
]) {
  test(`a failure: ${name}`, async () => {
    const limited = await world.token(fields);
    const model = /^.-/.test(script) ? world.fresh(script) : script;
    const call = connect(limited.key).responses.create({ model, input: "Say hello", ...parameters });
    const error = await world.failure(call);
    assert.deepEqual([error.constructor, error.status, error.code], [kind, status, code]);
    assert.deepEqual(await world.calls(limited), statuses);
  });
}

test("a stream that breaks", async () => {
  const stream = await responses.create({ model: world.fresh("f-cut"), input: "Say hello", stream: true });
  const error = await world.failure(world.each(stream));
  assert(error instanceof OpenAI.APIError, error);
  assert.equal(error.code, "upstream_error");
  const [row] = await world.rows(token, 1);
  // The floor, and the nine bytes that were said.
  assert.deepEqual([row.outcome, world.nanodollars(row.charged_usd)], ["upstream_error", world.FLOOR + 3 * 8_000]);
  await world.expect(row.id, world.FLOOR + 3 * 8_000);
});
