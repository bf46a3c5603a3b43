// The `@anthropic-ai/sdk` package: what works. Messages, streams, tools, images, counting, models, raw headers.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

import * as world from "./world.js";

const HELLO = { max_tokens: 500, messages: [{ role: "user", content: "Say hello, and été" }] };
const City = z.object({ city: z.string(), population: z.number() });
const TOOL = {
  name: "get_weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

let token;
let client;

beforeEach(async () => {
  token = await world.token();
  client = new Anthropic({ baseURL: world.GATEWAY, apiKey: token.key });
});

test("a call and its cost", async () => {
  const model = world.fresh("am-chat");
  const { data, response, request_id } = await client.messages.create({ model, ...HELLO }).withResponse();
  assert.equal(data.content[0].text, world.SAID);
  assert.equal(data.usage.cache_creation_input_tokens, 6);
  assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), world.BILLED_MESSAGES);
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.id, world.nanodollars(row.charged_usd)], [request_id, world.BILLED_MESSAGES]);
  const [request] = await world.received(model);
  assert.deepEqual(request.body.messages, HELLO.messages);
  assert.equal(request.headers["x-api-key"], "sk-mock-provider");
});

test("a stream", async () => {
  const events = await world.each(
    await client.messages.create({ model: world.fresh("am-chat"), stream: true, ...HELLO }),
  );
  assert.deepEqual([events[0].type, events.at(-1).type], ["message_start", "message_stop"]);
  assert.equal(events.map((event) => event.delta?.text ?? "").join(""), world.SAID);
  assert.deepEqual(await world.paid(token, 1), [world.BILLED_MESSAGES]);
});

test("a stream by the helper", async () => {
  const message = await client.messages.stream({ model: world.fresh("am-chat"), ...HELLO }).finalMessage();
  assert.deepEqual([message.content[0].text, message.usage.output_tokens], [world.SAID, 6]);
});

test("a stream that is left", async () => {
  const stream = await client.messages.create({ model: world.fresh("am-slow"), stream: true, ...HELLO });
  for await (const _event of stream) break;
  const [row] = await world.rows(token, 1);
  const charged = world.nanodollars(row.charged_usd);
  assert.equal(row.outcome, "client_gone");
  assert(0 < charged && charged < world.BILLED_MESSAGES, charged);
  await world.expect(row.id, charged);
});

test("tools there and back", async () => {
  const model = world.fresh("am-tools");
  const asked = await client.messages.create({ model, tools: [TOOL], ...HELLO });
  assert.equal(asked.stop_reason, "tool_use");
  const content = asked.content.map((block) => ({
    type: "tool_result",
    tool_use_id: block.id,
    content: `${block.input.city.length} degrees`,
  }));
  const messages = [...HELLO.messages, { role: "assistant", content: asked.content }, { role: "user", content }];
  const answer = await client.messages.create({ model, tools: [TOOL], max_tokens: 500, messages });
  assert.equal(answer.content[0].text, "It is 5 degrees and 4 degrees.");
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_MESSAGES, world.BILLED_MESSAGES]);
});

test("tools in a stream", async () => {
  const stream = client.messages.stream({ model: world.fresh("am-tools"), tools: [TOOL], ...HELLO });
  const { content } = await stream.finalMessage();
  assert.deepEqual(
    content.map((block) => block.input),
    [{ city: "Paris" }, { city: "Oslo" }],
  );
});

test("structured output", async () => {
  const model = world.fresh("am-structured");
  const answer = await client.messages.parse({ model, output_config: { format: zodOutputFormat(City) }, ...HELLO });
  assert.deepEqual(answer.parsed_output, { city: "Paris", population: 2_102_650 });
});

test("an image", async () => {
  const data = Buffer.alloc(70_000).toString("base64");
  const content = [{ type: "image", source: { type: "base64", media_type: "image/png", data } }];
  const messages = [{ role: "user", content }];
  const answer = await client.messages.create({ model: world.fresh("am-sees"), max_tokens: 500, messages });
  assert.equal(answer.content[0].text, "image/png of 70000 bytes");
});

test("counting is free", async () => {
  const poor = await world.token({ remain_quota: 0 });
  const { messages } = new Anthropic({ baseURL: world.GATEWAY, apiKey: poor.key });
  const counted = await messages.countTokens({ model: world.fresh("am-chat"), messages: HELLO.messages });
  assert.equal(counted.input_tokens, 14);
  assert.deepEqual(await world.rows(poor, 0), []);
});

test("models", async () => {
  const listed = await world.each(client.models.list());
  assert(listed.some((model) => model.id === "demo" && model.type === "model"));
  assert.equal((await client.models.retrieve("demo")).id, "demo");
  await assert.rejects(client.models.retrieve("nope"), Anthropic.NotFoundError);
});

test("the demo model", async () => {
  const answer = await client.messages.create({ model: "demo", ...HELLO });
  assert.match(answer.content[0].text, /^Hello! You said: “Say hello, and été”\./);
  const streamed = await client.messages.stream({ model: "demo", ...HELLO }).finalText();
  assert.equal(streamed, answer.content[0].text);
  // prices.toml: 0.5 and 1.5 dollars per million.
  const cost = answer.usage.input_tokens * 500 + answer.usage.output_tokens * 1_500;
  assert.deepEqual(await world.paid(token, 2), [cost, cost]);
  for (const row of await world.rows(token, 2)) await world.expect(row.id, cost);
});
