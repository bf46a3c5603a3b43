// The Vercel AI SDK: `ai` with the chat models of `@ai-sdk/openai`, of `@ai-sdk/openai-compatible` and of `@ai-sdk/anthropic`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateObject, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import * as world from "./world.js";

const City = z.object({ city: z.string(), population: z.number() });
const PROMPT = "Say hello, and été";

// How to connect; what its models' names begin with; what the mock bills.
const PROVIDERS = {
  "@ai-sdk/openai": [(options) => createOpenAI(options).chat, "", world.BILLED_CHAT],
  "@ai-sdk/openai-compatible": [
    (options) =>
      createOpenAICompatible({ name: "tollgate", includeUsage: true, supportsStructuredOutputs: true, ...options }),
    "",
    world.BILLED_CHAT,
  ],
  "@ai-sdk/anthropic": [createAnthropic, "a", world.BILLED_MESSAGES],
};

for (const [name, [connect, prefix, billed]] of Object.entries(PROVIDERS)) {
  const setUp = async (script, fields) => {
    const token = await world.token(fields);
    const id = world.fresh(prefix + script);
    return { token, id, model: connect({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key })(id) };
  };

  test(`${name}: a call and its cost`, async () => {
    const { token, model } = await setUp("m-chat");
    const { text, usage, response } = await generateText({ model, prompt: PROMPT });
    assert.deepEqual([text, usage.inputTokens, usage.outputTokens], [world.SAID, 20, 6]);
    assert.equal(world.nanodollars(response.headers["x-tollgate-cost-usd"]), billed);
    const [row] = await world.rows(token, 1);
    assert.equal(row.id, response.headers["x-request-id"]);
  });

  test(`${name}: a stream`, async () => {
    const { token, model } = await setUp("m-chat");
    const { textStream, usage } = streamText({ model, prompt: PROMPT });
    assert.deepEqual((await world.each(textStream)).join(""), world.SAID);
    assert.equal((await usage).totalTokens, 26);
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
      assert.match(JSON.stringify(second.body.messages.slice(2)), /call_1.*5 degrees.*call_2.*4 degrees/);
    });
  }

  test(`${name}: an object`, async () => {
    const { id, model } = await setUp("m-structured");
    const { object } = await generateObject({ model, schema: City, prompt: PROMPT });
    const { output } = await generateText({ model, output: Output.object({ schema: City }), prompt: PROMPT });
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
