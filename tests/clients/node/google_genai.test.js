// The `@google/genai` package: what works. Generation, streams, chats, functions, structured output, images, thoughts,
// embeddings, counting, models.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ApiError, GoogleGenAI, Type } from "@google/genai";

import * as world from "./world.js";

const HELLO = "Say hello, and été";
const FILLED = '{"city": "Paris", "population": 2102650}';
const DECLARED = {
  functionDeclarations: [
    {
      name: "get_weather",
      parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
    },
  ],
};

let token;
let models;
let client;

const connect = (apiKey, options) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: world.GATEWAY, ...options } });

beforeEach(async () => {
  token = await world.token();
  client = connect(token.key);
  models = client.models;
});

test("a call and its cost", async () => {
  const model = world.fresh("gm-chat");
  const config = { systemInstruction: "Be brief", temperature: 0.5, topK: 5, stopSequences: ["\n\n\n"] };
  const answer = await models.generateContent({ model, contents: HELLO, config });
  assert.equal(answer.text, world.SAID);
  assert.equal(answer.usageMetadata.cachedContentTokenCount, 4);
  const { headers } = answer.sdkHttpResponse;
  assert.equal(world.nanodollars(headers["x-tollgate-cost-usd"]), world.BILLED_GEMINI);
  const [row] = await world.rows(token, 1);
  assert.deepEqual([row.id, world.nanodollars(row.charged_usd)], [headers["x-request-id"], world.BILLED_GEMINI]);
  const [request] = await world.received(model);
  assert(request.path.endsWith(`${encodeURIComponent(model)}:generateContent`), request.path);
  assert.equal(request.headers["x-goog-api-key"], "sk-mock-provider");
  assert.deepEqual(request.body.contents, [{ parts: [{ text: HELLO }], role: "user" }]);
  assert.equal(request.body.systemInstruction.parts[0].text, "Be brief");
  assert.deepEqual([request.body.generationConfig.temperature, request.body.generationConfig.topK], [0.5, 5]);
});

for (const apiVersion of ["v1", "v1beta"]) {
  test(`version ${apiVersion} of the API`, async () => {
    const model = world.fresh("gm-chat");
    const answer = await connect(token.key, { apiVersion }).models.generateContent({ model, contents: HELLO });
    assert.equal(answer.text, world.SAID);
    assert((await world.received(model))[0].path.startsWith(`/${apiVersion}/models/`));
  });
}

test("a stream", async () => {
  const stream = await models.generateContentStream({ model: world.fresh("gm-chat"), contents: HELLO });
  const chunks = await world.each(stream);
  assert.deepEqual(
    chunks.map((chunk) => chunk.text),
    ["The mock ", "provider ", "speaks: été 🚀"],
  );
  assert.deepEqual(
    [chunks.at(-1).candidates[0].finishReason, chunks.at(-1).usageMetadata.totalTokenCount],
    ["STOP", 26],
  );
  assert.deepEqual(await world.paid(token, 1), [world.BILLED_GEMINI]);
});

test("a stream that is left", async () => {
  // Its end is told by a signal: the stream itself keeps its connection.
  const leave = new AbortController();
  const config = { abortSignal: leave.signal };
  const stream = await models.generateContentStream({ model: world.fresh("gm-slow"), contents: HELLO, config });
  for await (const _chunk of stream) break;
  leave.abort();
  const [row] = await world.rows(token, 1);
  const charged = world.nanodollars(row.charged_usd);
  assert.equal(row.outcome, "client_gone");
  assert(0 < charged && charged < world.BILLED_GEMINI, charged);
  await world.expect(row.id, charged);
});

test("a chat", async () => {
  const model = world.fresh("gm-chat");
  const chat = client.chats.create({ model });
  assert.equal((await chat.sendMessage({ message: HELLO })).text, world.SAID);
  const chunks = await world.each(await chat.sendMessageStream({ message: "And again" }));
  assert.equal(chunks.map((chunk) => chunk.text).join(""), world.SAID);
  const [, second] = await world.received(model);
  assert.deepEqual(
    second.body.contents.map((content) => content.role),
    ["user", "model", "user"],
  );
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_GEMINI, world.BILLED_GEMINI]);
});

test("functions there and back", async () => {
  const model = world.fresh("gm-tools");
  const config = { tools: [DECLARED] };
  const question = { role: "user", parts: [{ text: "What is the weather?" }] };
  const asked = await models.generateContent({ model, contents: [question], config });
  assert.deepEqual(
    asked.functionCalls.map((call) => call.args),
    [{ city: "Paris" }, { city: "Oslo" }],
  );
  const parts = asked.functionCalls.map(({ id, name, args }) => ({
    functionResponse: { id, name, response: { output: `${args.city.length} degrees` } },
  }));
  const contents = [question, asked.candidates[0].content, { role: "user", parts }];
  const answer = await models.generateContent({ model, contents, config });
  assert.equal(answer.text, "It is 5 degrees and 4 degrees.");
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_GEMINI, world.BILLED_GEMINI]);
});

test("functions in a stream", async () => {
  const config = { tools: [DECLARED] };
  const stream = await models.generateContentStream({ model: world.fresh("gm-tools"), contents: HELLO, config });
  const calls = (await world.each(stream)).flatMap((chunk) => chunk.functionCalls ?? []);
  assert.deepEqual(
    calls.map((call) => call.args.city),
    ["Paris", "Oslo"],
  );
});

for (const [name, schema] of [
  [
    "a schema",
    {
      responseSchema: {
        type: Type.OBJECT,
        properties: { city: { type: Type.STRING }, population: { type: Type.INTEGER } },
      },
    },
  ],
  ["a JSON schema", { responseJsonSchema: { type: "object", required: ["city"] } }],
]) {
  test(`structured output by ${name}`, async () => {
    const config = { responseMimeType: "application/json", ...schema };
    const answer = await models.generateContent({ model: world.fresh("gm-structured"), contents: HELLO, config });
    assert.equal(answer.text, FILLED);
  });
}

test("an image", async () => {
  const image = { inlineData: { mimeType: "image/png", data: Buffer.alloc(70_000).toString("base64") } };
  const contents = ["What is this?", image];
  const answer = await models.generateContent({ model: world.fresh("gm-sees"), contents });
  assert.equal(answer.text, "image/png of 70000 bytes");
});

test("thoughts are paid as output", async () => {
  const config = { thinkingConfig: { includeThoughts: true, thinkingBudget: 200 } };
  const answer = await models.generateContent({ model: world.fresh("gm-thinks"), contents: HELLO, config });
  assert.deepEqual([answer.text, answer.usageMetadata.thoughtsTokenCount], [world.SAID, 5]);
  assert.equal(answer.candidates[0].content.parts[0].thought, true);
  assert.deepEqual(await world.paid(token, 1), [world.BILLED_GEMINI + 5 * 8_000]);
});

test("an answer in two goes", async () => {
  const answer = await models.generateContent({ model: world.fresh("gm-continues"), contents: HELLO });
  assert.equal(answer.text, world.SAID);
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_GEMINI, world.BILLED_GEMINI]);
});

test("embeddings", async () => {
  const model = world.fresh("gm-embeds");
  const config = { taskType: "RETRIEVAL_DOCUMENT", title: "A title", outputDimensionality: 4 };
  const one = await models.embedContent({ model, contents: "été", config });
  const two = await models.embedContent({ model, contents: ["été", "Hello"] });
  assert.deepEqual(
    [...one.embeddings, ...two.embeddings].map((embedding) => embedding.values),
    [
      [0.25, -0.5, 0, 3],
      [0.25, -0.5, 0, 3],
      [0.25, -0.5, 1, 5],
    ],
  );
  assert.deepEqual(await world.paid(token, 2), [2 * world.BILLED_EMBEDDING, world.BILLED_EMBEDDING]);
});

test("counting is free", async () => {
  const poor = await world.token({ remain_quota: 0 });
  const model = world.fresh("gm-chat");
  const counted = await connect(poor.key).models.countTokens({ model, contents: HELLO });
  assert.equal(counted.totalTokens, 14);
  assert.deepEqual(await world.rows(poor, 0), []);
});

test("models", async () => {
  const listed = await world.each(await models.list());
  assert(listed.some((model) => model.name === "models/demo"));
  assert.equal((await models.get({ model: "demo" })).name, "models/demo");
  const error = await world.failure(models.get({ model: "nope" }));
  assert.deepEqual([error.constructor, error.status], [ApiError, 404]);
});
