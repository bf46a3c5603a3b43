// The `openai` package: responses that are stored, and all that follows them up. With the demo model, which no provider bills.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import OpenAI from "openai";

import * as world from "./world.js";

let token;
let client;

beforeEach(async () => {
  token = await world.token();
  client = new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: token.key });
});

async function create(fields) {
  const { data, request_id } = await client.responses.create({ model: "demo", ...fields }).withResponse();
  await world.expect(request_id, data.usage.input_tokens * 500 + data.usage.output_tokens * 1500);
  return data;
}

test("it is read, continued and deleted", async () => {
  const first = await create({ input: "Say hello" });
  const again = await client.responses.retrieve(first.id, { include: ["reasoning.encrypted_content"] });
  assert.deepEqual([again.id, again.output_text, again.usage], [first.id, first.output_text, first.usage]);
  const items = await client.responses.inputItems.list(first.id, { limit: 1, order: "asc" });
  assert.equal(items.data[0].content[0].text, "Say hello");
  const after = await create({ input: "And?", previous_response_id: first.id });
  assert.equal(after.usage.input_tokens, first.usage.total_tokens + 2);
  const types = [];
  for await (const event of await client.responses.retrieve(first.id, { stream: true, starting_after: 2 })) {
    types.push(event.type);
  }
  assert.equal(types.at(-1), "response.completed");
  await assert.rejects(client.responses.cancel(first.id), OpenAI.BadRequestError);
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
  const other = new OpenAI({ baseURL: `${world.GATEWAY}/v1`, apiKey: (await world.token()).key });
  await assert.rejects(other.responses.retrieve(after.id), OpenAI.NotFoundError);
});
