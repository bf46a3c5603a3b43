// The `openai` package: images that are made and edited, also in streams with previews, and sound that is written down or
// translated; their refusals. By tokens, by the picture, and by the second.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI, { toFile } from "openai";

import * as world from "./world.js";

const PNG = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(1_000)]);
// What the mock bills (stage/openai_media.py): by tokens, for a prompt, a picture that is given, one that is made, and sound.
const [PROMPT, GIVEN, MADE] = [10 * 2_000, 30 * 2_000, 20 * 8_000];
const HEARD = 12 * 2_000 + 6 * 8_000;
// And otherwise.
const [PICTURE, SECOND] = [40_000_000, 100_000];

let token;
let client;

const connect = (apiKey, options) => new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey, ...options });
const picture = (name) => toFile(PNG, name, { type: "image/png" });
const sound = () => toFile(world.wave(2.5), "said.wav", { type: "audio/wav" });

beforeEach(async () => {
  token = await world.token();
  client = connect(token.key);
});

test("images", async () => {
  const body = { model: world.fresh("m-paints"), prompt: "A red fox", n: 2, size: "1024x1024", quality: "low" };
  const { data, response } = await client.images.generate(body).withResponse();
  assert(data.data.every((image) => Buffer.from(image.b64_json, "base64").equals(PNG)));
  assert.deepEqual([data.data.length, data.usage.output_tokens], [2, 40]);
  assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), PROMPT + 2 * MADE);
  assert.deepEqual(await world.paid(token, 1), [PROMPT + 2 * MADE]);
});

test("images by the picture", async () => {
  const answer = await client.images.generate({ model: world.fresh("m-draws"), prompt: "A red fox", n: 2 });
  assert.equal(answer.data.length, 2);
  assert.deepEqual(await world.paid(token, 1), [2 * PICTURE]);
});

test("images in a stream", async () => {
  const body = { model: world.fresh("m-paints"), prompt: "A red fox", stream: true, partial_images: 2 };
  const events = await world.each(await client.images.generate(body));
  assert.deepEqual(
    events.map((event) => event.type),
    ["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"],
  );
  assert.equal(events[2].usage.output_tokens, 20);
  assert.deepEqual(await world.paid(token, 1), [PROMPT + MADE]);
});

test("an edit", async () => {
  const model = world.fresh("m-paints");
  const image = [await picture("a.png"), await picture("b.png")];
  const answer = await client.images.edit({ model, image, mask: await picture("mask.png"), prompt: "A blue fox" });
  assert(Buffer.from(answer.data[0].b64_json, "base64").equals(PNG));
  assert.deepEqual(await world.paid(token, 1), [PROMPT + 3 * GIVEN + MADE]);
  const [{ body }] = await world.received(model);
  assert.deepEqual(body.image, [
    { filename: "a.png", bytes: 1_008 },
    { filename: "b.png", bytes: 1_008 },
  ]);
});

test("an edit in a stream", async () => {
  const model = world.fresh("m-paints");
  const body = { model, image: await picture("a.png"), prompt: "A blue fox", stream: true, partial_images: 1 };
  const events = await world.each(await client.images.edit(body));
  assert.deepEqual(
    events.map((event) => event.type),
    ["image_edit.partial_image", "image_edit.completed"],
  );
  assert.deepEqual(await world.paid(token, 1), [PROMPT + GIVEN + MADE]);
});

for (const [script, cost] of [
  ["m-hears", HEARD],
  ["m-times", 3 * SECOND],
]) {
  test(`a transcription by ${script}`, async () => {
    const body = { model: world.fresh(script), file: await sound(), language: "en", prompt: "A fox" };
    const { data, response } = await client.audio.transcriptions.create(body).withResponse();
    assert.equal(data.text, world.SAID);
    assert.equal(world.nanodollars(response.headers.get("x-tollgate-cost-usd")), cost);
    assert.deepEqual(await world.paid(token, 1), [cost]);
  });
}

test("a transcription as text, and with all there is", async () => {
  const model = world.fresh("m-times");
  const ask = async (options) => client.audio.transcriptions.create({ model, file: await sound(), ...options });
  assert.equal((await ask({ response_format: "text" })).trim(), world.SAID);
  const whole = await ask({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
  assert.deepEqual([whole.text, whole.duration, whole.words[0].word], [world.SAID, 2.5, "The"]);
  assert.deepEqual(await world.paid(token, 2), [3 * SECOND, 3 * SECOND]);
});

test("a transcription in a stream", async () => {
  const body = { model: world.fresh("m-hears"), file: await sound(), stream: true };
  const events = await world.each(await client.audio.transcriptions.create(body));
  assert.equal(events.map((event) => event.delta ?? "").join(""), world.SAID);
  assert.deepEqual([events.at(-1).type, events.at(-1).text], ["transcript.text.done", world.SAID]);
  assert.deepEqual(await world.paid(token, 1), [HEARD]);
});

test("a translation", async () => {
  const answer = await client.audio.translations.create({ model: world.fresh("m-times"), file: await sound() });
  assert.equal(answer.text, world.SAID);
  assert.deepEqual(await world.paid(token, 1), [3 * SECOND]);
});

// How each is called, and with what.
const CALLS = {
  images: async ({ images }, options) => images.generate({ model: "m-draws", prompt: "A fox", ...options }),
  edits: async ({ images }, options) =>
    images.edit({ model: "m-draws", image: await picture("a.png"), prompt: "A fox", ...options }),
  transcriptions: async ({ audio }, options) =>
    audio.transcriptions.create({ model: "m-times", file: await sound(), ...options }),
  translations: async ({ audio }, options) =>
    audio.translations.create({ model: "m-times", file: await sound(), ...options }),
};

for (const [name, call] of Object.entries(CALLS)) {
  for (const [fields, options, kind, status, code] of [
    [{ remain_quota: 0 }, {}, OpenAI.APIError, 402, "insufficient_quota"],
    [{ daily_quota: 1 }, {}, OpenAI.RateLimitError, 429, "daily_limit_exceeded"],
    [{}, { model: "nope" }, OpenAI.NotFoundError, 404, "model_not_found"],
  ]) {
    test(`a refusal of ${name}: ${code}`, async () => {
      const limited = await world.token(fields);
      const error = await world.failure(call(connect(limited.key), options));
      assert.deepEqual([error.constructor, error.status, error.code], [kind, status, code]);
      assert.deepEqual(await world.calls(limited), [status]);
    });
  }
}
