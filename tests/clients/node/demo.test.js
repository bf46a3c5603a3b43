// The `demo` model of a gateway with no account anywhere: what a user can try with `openai`, `@anthropic-ai/sdk`,
// `@google/genai` and the Vercel AI SDK before there is any. prices.toml: 0.5 and 1.5 dollars per million of input and output,
// 15 per million characters.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { embedMany, generateText } from "ai";
import OpenAI, { toFile } from "openai";

import * as world from "./world.js";

const HELLO = "Say hello, and été";
const GREETING = /^Hello! You said: “Say hello, and été”\./;
const [INPUT, OUTPUT, CHARACTER] = [500, 1_500, 15_000];

let token;
let openai;

beforeEach(async () => {
  token = await world.token({}, world.BARE);
  openai = new OpenAI({ baseURL: `${world.BARE}/v1`, apiKey: token.key });
});

/** These are the token's charges, oldest first. */
async function settle(...costs) {
  const rows = (await world.rows(token, costs.length)).reverse();
  assert.deepEqual(
    rows.map((row) => world.nanodollars(row.charged_usd)),
    costs,
  );
  for (const [index, row] of rows.entries()) await world.expect(row.id, costs[index]);
}

test("the gateway has no channel", async () => {
  assert.deepEqual(
    (await world.each(openai.models.list())).map((model) => model.id),
    ["demo"],
  );
  await assert.rejects(openai.responses.create({ model: "gpt-4.1", input: HELLO }), OpenAI.NotFoundError);
});

test("chat completions", async () => {
  const messages = [{ role: "user", content: HELLO }];
  const { choices, usage } = await openai.chat.completions.create({ model: "demo", messages });
  assert.match(choices[0].message.content, GREETING);
  const stream = openai.chat.completions.stream({ model: "demo", messages });
  assert.equal(await stream.finalContent(), choices[0].message.content);
  const cost = usage.prompt_tokens * INPUT + usage.completion_tokens * OUTPUT;
  await settle(cost, cost);
});

test("responses", async () => {
  const { output_text, usage } = await openai.responses.create({ model: "demo", input: HELLO });
  assert.match(output_text, GREETING);
  const final = await openai.responses.stream({ model: "demo", input: HELLO }).finalResponse();
  assert.equal(final.output_text, output_text);
  const counted = await openai.responses.inputTokens.count({ model: "demo", input: HELLO });
  assert.equal(counted.input_tokens, usage.input_tokens);
  const cost = usage.input_tokens * INPUT + usage.output_tokens * OUTPUT;
  await settle(cost, cost);
});

test("older completions", async () => {
  const { choices, usage } = await openai.completions.create({ model: "demo", prompt: HELLO });
  assert.match(choices[0].text, GREETING);
  await settle(usage.prompt_tokens * INPUT + usage.completion_tokens * OUTPUT);
});

test("embeddings", async () => {
  const { data, usage } = await openai.embeddings.create({ model: "demo", input: ["été", HELLO], dimensions: 8 });
  assert.deepEqual(
    data.map((item) => item.embedding.length),
    [8, 8],
  );
  await settle(usage.prompt_tokens * INPUT);
});

test("moderations", async () => {
  const { results } = await openai.moderations.create({ model: "demo", input: HELLO });
  assert.equal(results[0].flagged, false);
  // No usage is said, so a quarter of its 20 bytes is charged.
  await settle(5 * INPUT);
});

test("speech", async () => {
  const answer = await openai.audio.speech.create({ model: "demo", voice: "alloy", input: HELLO });
  assert((await answer.arrayBuffer()).byteLength > 1_000);
  await settle(HELLO.length * CHARACTER);
});

test("images", async () => {
  const made = await openai.images.generate({ model: "demo", prompt: HELLO, n: 2 });
  assert.equal(made.data.length, 2);
  const image = await toFile(Buffer.from(made.data[0].b64_json, "base64"), "a.png", { type: "image/png" });
  const changed = await openai.images.edit({ model: "demo", image, prompt: HELLO });
  const body = { model: "demo", prompt: HELLO, stream: true, partial_images: 2 };
  const events = await world.each(await openai.images.generate(body));
  assert.equal(events.length, 3);
  const usages = [made.usage, changed.usage, events[2].usage];
  await settle(...usages.map((usage) => usage.input_tokens * INPUT + usage.output_tokens * OUTPUT));
});

test("sound that is heard", async () => {
  const ask = async (options) =>
    openai.audio.transcriptions.create({ model: "demo", file: await toFile(world.wave(2.5), "said.wav"), ...options });
  const { text, usage } = await ask({});
  assert.match(text, /heard 20044 bytes/);
  const events = await world.each(await ask({ stream: true }));
  assert.equal(events.at(-1).text, text);
  const cost = usage.input_tokens * INPUT + usage.output_tokens * OUTPUT;
  await settle(cost, cost);
});

test("messages", async () => {
  const client = new Anthropic({ baseURL: world.BARE, apiKey: token.key });
  const body = { model: "demo", max_tokens: 500, messages: [{ role: "user", content: HELLO }] };
  const { content, usage } = await client.messages.create(body);
  assert.match(content[0].text, GREETING);
  assert.equal(await client.messages.stream(body).finalText(), content[0].text);
  const cost = usage.input_tokens * INPUT + usage.output_tokens * OUTPUT;
  await settle(cost, cost);
});

test("generation, and Google's embeddings", async () => {
  const { models } = new GoogleGenAI({ apiKey: token.key, httpOptions: { baseUrl: world.BARE } });
  const answer = await models.generateContent({ model: "demo", contents: HELLO });
  assert.match(answer.text, GREETING);
  const chunks = await world.each(await models.generateContentStream({ model: "demo", contents: HELLO }));
  assert.equal(chunks.map((chunk) => chunk.text).join(""), answer.text);
  const { promptTokenCount, candidatesTokenCount } = answer.usageMetadata;
  assert.equal((await models.countTokens({ model: "demo", contents: HELLO })).totalTokens, promptTokenCount);
  const { embeddings } = await models.embedContent({ model: "demo", contents: ["été", "hello"] });
  assert.equal(embeddings.length, 2);
  const cost = promptTokenCount * INPUT + candidatesTokenCount * OUTPUT;
  await settle(cost, cost, 2 * INPUT);
});

test("the Vercel AI SDK", async () => {
  const provider = createOpenAI({ baseURL: `${world.BARE}/v1`, apiKey: token.key });
  const google = createGoogleGenerativeAI({ baseURL: `${world.BARE}/v1beta`, apiKey: token.key });
  const costs = [];
  for (const model of [provider("demo"), provider.chat("demo"), google("demo")]) {
    const { text, usage } = await generateText({ model, prompt: HELLO });
    assert.match(text, GREETING);
    costs.push(usage.inputTokens * INPUT + usage.outputTokens * OUTPUT);
  }
  const { embeddings } = await embedMany({ model: provider.embedding("demo"), values: ["été", "hello"] });
  assert.equal(embeddings.length, 2);
  await settle(...costs, 2 * INPUT);
});
