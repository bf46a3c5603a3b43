// The `openai` package: responses that a provider stores, and what follows them up.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";

import * as world from "./world.js";

const HELLO = "Say hello, and été";

let token;
let responses;

const connect = (apiKey) => new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey }).responses;

beforeEach(async () => {
  token = await world.token();
  responses = connect(token.key);
});

test("it is read, gone on from, and deleted", async () => {
  const model = world.fresh("m-chat");
  const { id } = await responses.create({ model, input: HELLO });
  assert.equal((await responses.retrieve(id)).output_text, world.SAID);
  const items = await world.each(responses.inputItems.list(id, { limit: 20, order: "asc" }));
  assert.deepEqual(
    items.map((item) => item.content),
    [HELLO],
  );
  const second = await responses.create({ model, input: "And again", previous_response_id: id });
  assert.equal(second.previous_response_id, id);
  await assert.rejects(responses.cancel(id), OpenAI.BadRequestError);
  await responses.delete(id);
  await assert.rejects(responses.retrieve(id), OpenAI.NotFoundError);
  assert.deepEqual(await world.paid(token, 2), [world.BILLED_RESPONSE, world.BILLED_RESPONSE]);
});

test("it is streamed again", async () => {
  const stream = await responses.create({ model: world.fresh("m-chat"), input: HELLO, stream: true });
  const [{ response }] = await world.each(stream);
  const events = await world.each(await responses.retrieve(response.id, { stream: true, starting_after: 0 }));
  assert.deepEqual(
    events.map((event) => event.type),
    ["response.completed"],
  );
});

test("it is one token's alone", async () => {
  const { id } = await responses.create({ model: world.fresh("m-chat"), input: HELLO });
  const others = connect((await world.token()).key);
  await assert.rejects(others.retrieve(id), OpenAI.NotFoundError);
  await assert.rejects(others.delete(id), OpenAI.NotFoundError);
  assert.deepEqual(await world.received(id), []);
});
