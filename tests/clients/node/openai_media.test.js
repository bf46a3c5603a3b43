// The `openai` package: images and sound, plain, in parts and streamed, answered by the built-in model.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI, { toFile } from "openai";

import * as world from "./world.js";

// The model's prices, in nanodollars: a unit of input, and of output. A picture is 16 units, one that is given 4; 1 600 bytes of
// sound are one, and what it says about them 21.
const [INPUT, OUTPUT] = [500, 1_500];
const HEARD = 2 * INPUT + 21 * OUTPUT;
const picture = (name) => toFile(Buffer.from("\x89PNG\r\n\x1a\n--\r\n", "latin1"), name, { type: "image/png" });
const sound = () => toFile(Buffer.alloc(3_200, "s"), "été.mp3");

let token;
let client;

// The nanodollars of the token's charges; the mock provider, which has no part in them, is told what they are.
async function paid(count) {
  const rows = await world.rows(token, count);
  for (const row of rows) await world.expect(row.id, world.nanodollars(row.charged_usd));
  return rows.map((row) => world.nanodollars(row.charged_usd));
}

beforeEach(async () => {
  token = await world.token();
  client = new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
});

test("images are made", async () => {
  const answer = await client.images.generate({ model: "demo", prompt: "A red fox", n: 2, quality: "low" });
  assert.deepEqual(answer.data.map((image) => image.b64_json.slice(0, 11)), Array(2).fill("iVBORw0KGgo"));
  assert.deepEqual(await paid(1), [3 * INPUT + 32 * OUTPUT]);
});

test("images are made of images", async () => {
  const image = [await picture("a b.png"), await picture("été.png")];
  const answer = await client.images.edit({ model: "demo", prompt: "A red fox", image, mask: await picture("m.png") });
  assert.equal(answer.usage.input_tokens_details.image_tokens, 12);
  assert.deepEqual(await paid(1), [15 * INPUT + 16 * OUTPUT]);
});

test("a stream of images", async () => {
  const image = await picture("a.png");
  const stream = await client.images.edit({ model: "demo", prompt: "A red fox", image, stream: true, partial_images: 1 });
  const events = await world.each(stream);
  assert.deepEqual(events.map((event) => event.type), ["image_edit.partial_image", "image_edit.completed"]);
  assert.deepEqual(await paid(1), [7 * INPUT + 32 * OUTPUT]);
});

test("sound is heard", async () => {
  const create = async (more) => client.audio.transcriptions.create({ model: "demo", file: await sound(), ...more });
  const plain = await create({ chunking_strategy: { type: "server_vad" } });
  assert.equal(plain.usage.input_token_details.audio_tokens, 2);
  const verbose = await create({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
  assert.equal(verbose.duration, 1);
  const events = await world.each(await create({ stream: true }));
  assert.equal(events.at(-1).type, "transcript.text.done");
  assert.deepEqual(await paid(3), [HEARD, HEARD, HEARD]);
  assert.match(await create({ response_format: "vtt" }), /^WEBVTT\n/);
  assert.match((await client.audio.translations.create({ model: "demo", file: await sound() })).text, /^This is/);
  assert((await paid(5)).every((charge) => charge > 0));
});

test("speech", async () => {
  const answer = await client.audio.speech.create({ model: "demo", input: "Hé", voice: "alloy" });
  assert.equal((await answer.arrayBuffer()).byteLength, 2 * 2 * 417);
  assert.deepEqual(await paid(1), [2 * 15_000]);
});

test("what is refused", async () => {
  const refused = client.images.generate({ model: "demo", prompt: "A red fox", n: 11 });
  await assert.rejects(refused, { status: 400, code: "invalid_parameter", param: "n" });
  assert.deepEqual(await world.rows(token, 0), []);
});
