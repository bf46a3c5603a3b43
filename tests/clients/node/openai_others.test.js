// The `openai` package: what it has beside chat completions and responses. Older completions, embeddings, moderations, speech,
// and their refusals.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";

import * as world from "./world.js";

const HELLO = "Say hello, and été";
const SOUND = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x64]), Buffer.alloc(3_000)]);

let token;
let client;

const connect = (apiKey, options) => new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey, ...options });

beforeEach(async () => {
  token = await world.token();
  client = connect(token.key);
});

test("an older completion", async () => {
  const model = world.fresh("m-chat");
  const answer = await client.completions.create({ model, prompt: HELLO, max_tokens: 50 });
  assert.deepEqual([answer.choices[0].text, answer.usage.total_tokens], [world.SAID, 26]);
  const stream_options = { include_usage: true };
  const stream = await client.completions.create({ model, prompt: HELLO, stream: true, stream_options });
  const chunks = await world.each(stream);
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), world.SAID);
  assert.equal(chunks.at(-1).usage.total_tokens, 26);
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_CHAT, world.BILLED_CHAT]);
});

test("embeddings", async () => {
  const model = world.fresh("m-embeds");
  // The package asks for base64 itself where no format is named, and unpacks that.
  for (const options of [{}, { encoding_format: "float", dimensions: 4 }]) {
    const call = client.embeddings.create({ model, input: ["été", "Hello"], ...options });
    const { data, response } = await call.withResponse();
    assert.deepEqual(
      data.data.map((item) => item.embedding),
      [
        [0.25, -0.5, 0, 3],
        [0.25, -0.5, 1, 5],
      ],
    );
    assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), 2 * world.BILLED_EMBEDDING);
  }
  const { data } = await client.embeddings.create({ model, input: [7, 8, 9], encoding_format: "base64" });
  const packed = Buffer.from(data[0].embedding, "base64");
  assert.deepEqual([packed.length, packed.readFloatLE(12)], [16, 3]);
  const [first] = await world.received(model);
  assert.equal(first.body.encoding_format, "base64");
  const paid = await world.paid(token, 3);
  assert.deepEqual(paid, [world.BILLED_EMBEDDING, 2 * world.BILLED_EMBEDDING, 2 * world.BILLED_EMBEDDING]);
});

test("moderations cost nothing", async () => {
  const poor = await world.token({ remain_quota: 0 });
  const input = ["a good word", "a bad word"];
  const answer = await connect(poor.key).moderations.create({ model: world.fresh("m-judges"), input });
  assert.deepEqual(
    answer.results.map((result) => result.flagged),
    [false, true],
  );
  assert.deepEqual(await world.paid(poor, 1), [0]);
});

test("speech", async () => {
  const model = world.fresh("m-speaks");
  const answer = await client.audio.speech.create({ model, voice: "alloy", input: HELLO, response_format: "mp3" });
  assert.equal(answer.headers.get("content-type"), "audio/mpeg");
  assert(Buffer.from(await answer.arrayBuffer()).equals(SOUND));
  const streamed = await client.audio.speech.create({ model, voice: "alloy", input: HELLO });
  assert(Buffer.concat(await world.each(streamed.body)).equals(SOUND));
  const cost = HELLO.length * 15_000;
  assert.deepEqual(await world.paid(token, 2), [cost, cost]);
});

test("speech that breaks", async () => {
  const answer = await client.audio.speech.create({ model: world.fresh("m-speaks-not"), voice: "alloy", input: HELLO });
  await world.failure(answer.arrayBuffer());
  assert.deepEqual(await world.paid(token, 1), [HELLO.length * 15_000]);
});

// How each is called, and with what.
const CALLS = {
  completions: (client, options) => client.completions.create({ model: "m-chat", prompt: HELLO, ...options }),
  embeddings: (client, options) => client.embeddings.create({ model: "m-embeds", input: HELLO, ...options }),
  moderations: (client, options) => client.moderations.create({ model: "m-costs", input: HELLO, ...options }),
  speech: (client, options) =>
    client.audio.speech.create({ model: "m-speaks", voice: "alloy", input: HELLO, ...options }),
};

for (const [name, call] of Object.entries(CALLS)) {
  for (const [fields, options, kind, status, code] of [
    [{ remain_quota: 0 }, {}, OpenAI.APIError, 402, "insufficient_quota"],
    [{ daily_quota: 1 }, {}, OpenAI.RateLimitError, 429, "daily_limit_exceeded"],
    [{ model_limits_enabled: true, model_limits: "demo" }, {}, OpenAI.PermissionDeniedError, 403, "model_not_allowed"],
    [{}, { model: "nope" }, OpenAI.NotFoundError, 404, "model_not_found"],
    [{}, { model: "unpriced" }, OpenAI.APIError, 402, "model_not_priced"],
  ]) {
    test(`a refusal of ${name}: ${code}`, async () => {
      const limited = await world.token(fields);
      const error = await world.failure(call(connect(limited.key), options));
      assert.deepEqual([error.constructor, error.status, error.code], [kind, status, code]);
      assert.deepEqual(await world.calls(limited), [status]);
    });
  }

  test(`a key that is none, of ${name}`, async () => {
    const error = await world.failure(call(connect(`sk-${"x".repeat(48)}`), {}));
    assert.equal(error.constructor, OpenAI.AuthenticationError);
  });
}
