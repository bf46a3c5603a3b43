// The Vercel AI SDK: `ai` with the models of `@ai-sdk/openai` (responses, chat, embeddings, images, speech, transcription), of
// `@ai-sdk/openai-compatible`, of `@ai-sdk/anthropic` and of `@ai-sdk/google`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  embed,
  embedMany,
  generateImage,
  generateObject,
  generateSpeech,
  generateText,
  Output,
  stepCountIs,
  streamText,
  tool,
  experimental_transcribe as transcribe,
} from "ai";
import { z } from "zod";

import * as world from "./world.js";

const City = z.object({ city: z.string(), population: z.number() });
const PROMPT = "Say hello, and été";

// How to connect; what its models' names begin with; what the mock bills, and for how much output.
const PROVIDERS = {
  "@ai-sdk/openai": [createOpenAI, "", world.BILLED_RESPONSE, 9],
  "@ai-sdk/openai, chat": [(options) => createOpenAI(options).chat, "", world.BILLED_CHAT, 6],
  "@ai-sdk/openai-compatible": [
    (options) =>
      createOpenAICompatible({ name: "tollgate", includeUsage: true, supportsStructuredOutputs: true, ...options }),
    "",
    world.BILLED_CHAT,
    6,
  ],
  "@ai-sdk/anthropic": [createAnthropic, "a", world.BILLED_MESSAGES, 6],
  "@ai-sdk/openai with Anthropic's models": [createOpenAI, "a", world.BILLED_MESSAGES, 6],
  "@ai-sdk/openai with Gemini's models": [createOpenAI, "g", world.BILLED_GEMINI, 6],
  "@ai-sdk/anthropic with OpenAI's models": [createAnthropic, "", world.BILLED_CHAT, 6],
  // An object by a tool that it alone may call, its other way, is what Gemini cannot be told.
  "@ai-sdk/anthropic with Gemini's models": [
    createAnthropic,
    "g",
    world.BILLED_GEMINI,
    6,
    { anthropic: { structuredOutputMode: "outputFormat" } },
  ],
  "@ai-sdk/google": [createGoogleGenerativeAI, "g", world.BILLED_GEMINI, 6],
};

for (const [name, [connect, prefix, billed, written, providerOptions]] of Object.entries(PROVIDERS)) {
  const setUp = async (script, fields) => {
    const token = await world.token(fields);
    const id = world.fresh(prefix + script);
    return { token, id, model: connect({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key })(id) };
  };

  test(`${name}: a call and its cost`, async () => {
    const { token, model } = await setUp("m-chat");
    const { text, usage, response } = await generateText({ model, prompt: PROMPT });
    assert.deepEqual([text, usage.inputTokens, usage.outputTokens], [world.SAID, 20, written]);
    assert.equal(world.nanodollars(response.headers["x-tollgate-cost-usd"]), billed);
    const [row] = await world.rows(token, 1);
    assert.equal(row.id, response.headers["x-request-id"]);
  });

  test(`${name}: a stream`, async () => {
    const { token, model } = await setUp("m-chat");
    const { textStream, usage } = streamText({ model, prompt: PROMPT });
    assert.deepEqual((await world.each(textStream)).join(""), world.SAID);
    assert.equal((await usage).totalTokens, 20 + written);
    const [row] = await world.rows(token, 1);
    assert.equal(world.nanodollars(row.charged_usd), billed);
  });

  const get_weather = tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `${city.length} degrees`,
  });

  for (const [how, run] of [
    ["a call", generateText],
    ["a stream", streamText],
  ]) {
    test(`${name}: tools in ${how}`, async () => {
      const { token, id, model } = await setUp("m-tools");
      const result = await run({ model, prompt: PROMPT, tools: { get_weather }, stopWhen: stepCountIs(3) });
      assert.equal(await result.text, "It is 5 degrees and 4 degrees.");
      assert.equal((await world.rows(token, 2)).length, 2);
      const [, second] = await world.received(id);
      assert.match(JSON.stringify(second.body), /call_1.*5 degrees.*call_2.*4 degrees/);
    });
  }

  test(`${name}: an object`, async () => {
    const { id, model } = await setUp("m-structured");
    const asked = { model, prompt: PROMPT, providerOptions };
    const { object } = await generateObject({ schema: City, ...asked });
    const { output } = await generateText({ output: Output.object({ schema: City }), ...asked });
    assert.deepEqual([object, output], Array(2).fill({ city: "Paris", population: 2_102_650 }));
    for (const { body } of await world.received(id))
      assert.match(JSON.stringify(body), /"required":\["city","population"\]/);
  });

  test(`${name}: an image`, async () => {
    const { model } = await setUp("m-sees");
    const image = { type: "file", data: Buffer.alloc(70_000), mediaType: "image/png" };
    const { text } = await generateText({ model, messages: [{ role: "user", content: [image] }] });
    assert.equal(text, "image/png of 70000 bytes");
  });

  // What this SDK may try again it decides by the status alone, two times more: it reads no x-should-retry.
  for (const [script, fields, status, statuses] of [
    ["m-chat", { remain_quota: 0 }, 402, [402]],
    ["m-chat", { model_limits_enabled: true, model_limits: "demo" }, 403, [403]],
    ["f-refuses", {}, 400, [400]],
  ]) {
    test(`${name}: a failure, ${status}`, async () => {
      const { token, model } = await setUp(script, fields);
      const error = await generateText({ model, prompt: PROMPT }).then(
        () => undefined,
        (error) => error,
      );
      assert(APICallError.isInstance(error), error);
      assert.equal(error.statusCode, status);
      assert.deepEqual(await world.calls(token), statuses);
    });
  }
}

for (const [name, provider, prefix] of [
  ["@ai-sdk/openai", createOpenAI, ""],
  ["@ai-sdk/google", createGoogleGenerativeAI, "g"],
]) {
  test(`${name}: embeddings`, async () => {
    const token = await world.token();
    const connected = provider({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
    const model = connected.embedding(world.fresh(`${prefix}m-embeds`));
    const one = await embed({ model, value: "été" });
    assert.deepEqual(one.embedding, [0.25, -0.5, 0, 3]);
    const { embeddings } = await embedMany({ model, values: ["été", "Hello"] });
    assert.deepEqual(embeddings, [
      [0.25, -0.5, 0, 3],
      [0.25, -0.5, 1, 5],
    ]);
    assert.deepEqual(await world.paid(token, 2), [2 * world.BILLED_EMBEDDING, world.BILLED_EMBEDDING]);
  });
}

test("@ai-sdk/openai: speech", async () => {
  const token = await world.token();
  const provider = createOpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
  const { audio } = await generateSpeech({
    model: provider.speech(world.fresh("m-speaks")),
    text: "été",
    voice: "alloy",
  });
  assert.deepEqual([audio.uint8Array.length, audio.mediaType], [3_004, "audio/mpeg"]);
  assert.deepEqual(await world.paid(token, 1), [3 * 15_000]);
});

test("@ai-sdk/openai: images", async () => {
  const token = await world.token();
  const provider = createOpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
  const options = { model: provider.image(world.fresh("m-draws")), prompt: "A red fox", size: "1024x1024" };
  const { images } = await generateImage({ ...options, n: 2 });
  assert.deepEqual(
    images.map((image) => image.uint8Array.length),
    [1_008, 1_008],
  );
  const rows = await world.rows(token, 2);
  assert(rows.every((row) => world.nanodollars(row.charged_usd) === 40_000_000));
});

test("@ai-sdk/openai: a transcription", async () => {
  const token = await world.token();
  const provider = createOpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
  const { text } = await transcribe({ model: provider.transcription(world.fresh("m-times")), audio: world.wave(2.5) });
  assert.equal(text, world.SAID);
  assert.deepEqual(await world.paid(token, 1), [3 * 100_000]);
});
