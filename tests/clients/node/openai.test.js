// The `openai` package: what works. Chat, streams, tools, structured output, images, models, raw headers.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import * as world from "./world.js";

const HELLO = [{ role: "user", content: "Say hello, and été" }];
const City = z.object({ city: z.string(), population: z.number() });
const TOOL = zodFunction({ name: "get_weather", parameters: z.object({ city: z.string() }) });

let token;
let client;

beforeEach(async () => {
  token = await world.token();
  client = new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
});

test("a call and its cost", async () => {
  const model = world.fresh("m-chat");
  const call = client.chat.completions.create({ model, messages: HELLO, temperature: 0.3 });
  const { data, response, request_id } = await call.withResponse();
  assert.equal(data.choices[0].message.content, world.SAID);
  assert.equal(data.usage.prompt_tokens_details.cached_tokens, 4);
  assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), world.BILLED_CHAT);
  assert(Number(response.headers.get("x-tollgate-remaining-credits")) < 200);
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.id, world.nanodollars(row.charged_usd)], [request_id, world.BILLED_CHAT]);
  const [request] = await world.received(model);
  assert.deepEqual([request.body.messages, request.body.temperature], [HELLO, 0.3]);
  assert.equal(request.headers.authorization, "Bearer sk-mock-provider");
});

for (const [name, options] of [
  ["bare", {}],
  ["with usage", { stream_options: { include_usage: true } }],
]) {
  test(`a stream, ${name}`, async () => {
    const model = world.fresh("m-chat");
    const stream = await client.chat.completions.create({ model, messages: HELLO, stream: true, ...options });
    const chunks = await world.each(stream);
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), world.SAID);
    const usages = chunks.filter((chunk) => chunk.usage).map((chunk) => chunk.usage.total_tokens);
    assert.deepEqual(usages, options.stream_options ? [26] : []);
    assert.equal(chunks.filter((chunk) => chunk.choices.length === 0).length, usages.length);
    const [row] = await world.rows(token, 1);
    assert.equal(world.nanodollars(row.charged_usd), world.BILLED_CHAT);
    assert.equal((await world.received(model))[0].body.stream_options.include_usage, true);
  });
}

test("a stream that is left", async () => {
  const stream = await client.chat.completions.create({ model: world.fresh("m-slow"), messages: HELLO, stream: true });
  for await (const _chunk of stream) break;
  const [row] = await world.rows(token, 1);
  const charged = world.nanodollars(row.charged_usd);
  assert.equal(row.outcome, "client_gone");
  assert(0 < charged && charged < world.BILLED_CHAT, charged);
  await world.expect(row.id, charged);
});

test("tools that the package runs itself", async () => {
  const model = world.fresh("m-tools");
  const asked = [];
  const run = (input) => {
    asked.push(input.city);
    return `${input.city.length} degrees`;
  };
  const tool = zodFunction({ name: "get_weather", parameters: z.object({ city: z.string() }), function: run });
  const runner = client.chat.completions.runTools({ model, messages: HELLO, tools: [tool] });
  assert.equal(await runner.finalContent(), "It is 5 degrees and 4 degrees.");
  assert.deepEqual(asked, ["Paris", "Oslo"]);
  const [first, second] = await world.received(model);
  assert.equal(first.body.tools[0].function.name, "get_weather");
  assert.deepEqual(
    second.body.messages.slice(2).map((message) => message.tool_call_id),
    ["call_1", "call_2"],
  );
  assert.equal((await world.rows(token, 2)).length, 2);
});

test("tools in a stream", async () => {
  const stream = client.chat.completions.stream({ model: world.fresh("m-tools"), messages: HELLO, tools: [TOOL] });
  const { choices } = await stream.finalChatCompletion();
  const cities = choices[0].message.tool_calls.map((call) => call.function.parsed_arguments.city);
  assert.deepEqual(cities, ["Paris", "Oslo"]);
});

test("structured output", async () => {
  const model = world.fresh("m-structured");
  const response_format = zodResponseFormat(City, "city");
  const answer = await client.chat.completions.parse({ model, messages: HELLO, response_format });
  assert.deepEqual(answer.choices[0].message.parsed, { city: "Paris", population: 2_102_650 });
  const [request] = await world.received(model);
  assert.equal(request.body.response_format.json_schema.strict, true);
});

test("an image", async () => {
  const url = `data:image/png;base64,${Buffer.alloc(70_000).toString("base64")}`;
  const content = [
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url, detail: "low" } },
  ];
  const messages = [{ role: "user", content }];
  const answer = await client.chat.completions.create({ model: world.fresh("m-sees"), messages });
  assert.equal(answer.choices[0].message.content, "image/png of 70000 bytes");
});

test("models", async () => {
  const listed = await world.each(client.models.list());
  assert(listed.some((model) => model.id === "demo"));
  assert.equal((await client.models.retrieve("demo")).id, "demo");
  await assert.rejects(client.models.retrieve("nope"), OpenAI.NotFoundError);
});

test("the demo model", async () => {
  const { data, response } = await client.chat.completions.create({ model: "demo", messages: HELLO }).withResponse();
  assert.match(data.choices[0].message.content, /^Hello! You said: “Say hello, and été”\./);
  // prices.toml: 0.5 and 1.5 dollars per million.
  const cost = data.usage.prompt_tokens * 500 + data.usage.completion_tokens * 1_500;
  assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), cost);
  const stream = client.chat.completions.stream({ model: "demo", messages: HELLO });
  assert.equal(await stream.finalContent(), data.choices[0].message.content);
  for (const row of await world.rows(token, 2)) {
    assert.equal(world.nanodollars(row.charged_usd), cost);
    await world.expect(row.id, cost);
  }
});
