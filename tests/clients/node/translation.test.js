// Clients of one dialect with models that only providers of another have: `openai` (chat completions and responses) with models
// of Anthropic's and Gemini's channels, `@anthropic-ai/sdk` with models of OpenAI's and Gemini's.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import * as world from "./world.js";

const HELLO = "Say hello, and été";
const messages = [{ role: "user", content: HELLO }];
const City = z.object({ city: z.string(), population: z.number() });
const FILLED = { city: "Paris", population: 2_102_650 };
const PNG = Buffer.alloc(70_000).toString("base64");
const SEEN = "image/png of 70000 bytes";
const NAMED = { name: "get_weather", parameters: z.object({ city: z.string() }) };
// What the mock's providers bill, by what the names of their models begin with.
const BILLED = { m: world.BILLED_CHAT, am: world.BILLED_MESSAGES, gm: world.BILLED_GEMINI };

let token;
let openai;
let anthropic;

beforeEach(async () => {
  token = await world.token();
  openai = new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
  anthropic = new Anthropic({ baseURL: world.GATEWAY, apiKey: token.key });
});

for (const [name, provider] of [
  ["Anthropic", "am"],
  ["Gemini", "gm"],
]) {
  const billed = BILLED[provider];

  test(`chat, from ${name}`, async () => {
    const { completions } = openai.chat;
    const model = world.fresh(`${provider}-chat`);
    const { data, response } = await completions.create({ model, messages }).withResponse();
    assert.deepEqual([data.choices[0].message.content, data.usage.total_tokens], [world.SAID, 26]);
    assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), billed);
    assert.equal(await completions.stream({ model, messages }).finalContent(), world.SAID);
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });

  test(`chat with tools that the package runs, from ${name}`, async () => {
    const tool = zodFunction({ ...NAMED, function: ({ city }) => `${city.length} degrees` });
    for (const stream of [false, true]) {
      const model = world.fresh(`${provider}-tools`);
      const runner = openai.chat.completions.runTools({ model, messages, tools: [tool], stream });
      assert.equal(await runner.finalContent(), "It is 5 degrees and 4 degrees.");
    }
    assert.deepEqual(await world.paid(token, 4), Array(4).fill(billed));
  });

  test(`chat with a schema and an image, from ${name}`, async () => {
    const { completions } = openai.chat;
    const response_format = zodResponseFormat(City, "city");
    const filled = await completions.parse({ model: world.fresh(`${provider}-structured`), messages, response_format });
    assert.deepEqual(filled.choices[0].message.parsed, FILLED);
    const content = [{ type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } }];
    const model = world.fresh(`${provider}-sees`);
    const seen = await completions.create({ model, messages: [{ role: "user", content }] });
    assert.equal(seen.choices[0].message.content, SEEN);
  });

  test(`a response, from ${name}`, async () => {
    const options = { model: world.fresh(`${provider}-chat`), input: HELLO, store: false };
    const answer = await openai.responses.create(options);
    assert.deepEqual([answer.output_text, answer.usage.total_tokens], [world.SAID, 26]);
    const final = await openai.responses.stream(options).finalResponse();
    assert.deepEqual([final.output_text, final.usage.total_tokens], [world.SAID, 26]);
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });

  test(`a response with functions, from ${name}`, async () => {
    const options = { model: world.fresh(`${provider}-tools`), tools: [zodResponsesFunction(NAMED)], store: false };
    const asked = await openai.responses.stream({ input: HELLO, ...options }).finalResponse();
    const calls = asked.output.filter((item) => item.type === "function_call");
    const results = calls.map(({ call_id, parsed_arguments: { city } }) => ({
      type: "function_call_output",
      call_id,
      output: `${city.length} degrees`,
    }));
    const sent = asked.output.map(({ parsed_arguments: _, ...item }) => item);
    const input = [{ role: "user", content: HELLO }, ...sent, ...results];
    const answer = await openai.responses.create({ input, ...options });
    assert.equal(answer.output_text, "It is 5 degrees and 4 degrees.");
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });

  test(`a response with a schema and an image, from ${name}`, async () => {
    const { responses } = openai;
    const text = { format: zodTextFormat(City, "city") };
    const model = world.fresh(`${provider}-structured`);
    const filled = await responses.parse({ model, input: HELLO, text, store: false });
    assert.deepEqual(filled.output_parsed, FILLED);
    const content = [{ type: "input_image", image_url: `data:image/png;base64,${PNG}`, detail: "auto" }];
    const input = [{ role: "user", content }];
    const seen = await responses.create({ model: world.fresh(`${provider}-sees`), input, store: false });
    assert.equal(seen.output_text, SEEN);
  });

  test(`what cannot be said is refused by its name, for ${name}`, async () => {
    const model = world.fresh(`${provider}-chat`);
    const error = await world.failure(openai.chat.completions.create({ model, messages, logit_bias: { 1: 5 } }));
    assert.deepEqual([error.constructor, error.param], [OpenAI.BadRequestError, "logit_bias"]);
    assert.deepEqual(await world.rows(token, 0), []);
  });
}

for (const [name, provider] of [
  ["OpenAI", "m"],
  ["Gemini", "gm"],
]) {
  const billed = BILLED[provider];

  test(`a message, from ${name}`, async () => {
    const body = { model: world.fresh(`${provider}-chat`), max_tokens: 500, messages };
    const answer = await anthropic.messages.create(body);
    assert.deepEqual([answer.content[0].text, answer.usage.cache_read_input_tokens], [world.SAID, 4]);
    const final = await anthropic.messages.stream(body).finalMessage();
    assert.deepEqual([final.content[0].text, final.usage.output_tokens], [world.SAID, 6]);
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });

  test(`a message with tools, from ${name}`, async () => {
    const tool = { name: "get_weather", input_schema: { type: "object", properties: { city: { type: "string" } } } };
    const body = { model: world.fresh(`${provider}-tools`), max_tokens: 500, tools: [tool] };
    const asked = await anthropic.messages.stream({ messages, ...body }).finalMessage();
    const content = asked.content
      .filter((block) => block.type === "tool_use")
      .map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: `${input.city.length} degrees` }));
    const turns = [...messages, { role: "assistant", content: asked.content }, { role: "user", content }];
    const answer = await anthropic.messages.create({ messages: turns, ...body });
    assert.equal(answer.content[0].text, "It is 5 degrees and 4 degrees.");
    assert.deepEqual(await world.paid(token, 2), [billed, billed]);
  });

  test(`a message with a schema and an image, from ${name}`, async () => {
    const output_config = { format: zodOutputFormat(City) };
    const body = { model: world.fresh(`${provider}-structured`), max_tokens: 500, messages, output_config };
    assert.deepEqual((await anthropic.messages.parse(body)).parsed_output, FILLED);
    const source = { type: "base64", media_type: "image/png", data: PNG };
    const turns = [{ role: "user", content: [{ type: "image", source }] }];
    const model = world.fresh(`${provider}-sees`);
    const seen = await anthropic.messages.create({ model, max_tokens: 500, messages: turns });
    assert.equal(seen.content[0].text, SEEN);
  });
}
