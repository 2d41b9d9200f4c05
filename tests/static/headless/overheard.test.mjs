// Failures in the middle of a model server's stream. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { overhear } = await import(`${process.env.EXTENSION}/overheard.js`);

async function heardOf(pieces, status = 200) {
  const heard = [];
  const world = { fetch: async () => new Response(new Blob(pieces).stream(), { status, headers: { 'x-mine': 'yes' } }) };
  const own = world.fetch;
  const response = await overhear(() => world.fetch('/generate'), (words) => heard.push(words), world);
  assert.equal(world.fetch, own);
  assert.deepEqual([response.status, response.headers.get('x-mine')], [status, 'yes']);
  assert.equal(await response.text(), pieces.join(''));
  return heard;
}

test('a failure in mid-stream is heard, and the stream is what it was', async () => {
  const token = 'data: {"choices":[{"delta":{"content":"an \\"error\\" 客😀"}}]}\n\n';
  assert.deepEqual(await heardOf([token, token, 'data: [DONE]\n\n']), []);
  assert.deepEqual(await heardOf([token, 'data: {"error":{"message":"The mo', 'del broke"}}\r\n\r\n']), ['The model broke']);
  assert.deepEqual(await heardOf(['data: {"error":"out of memory"}\n\n', 'data: {"error":{}}\n\n']), ['out of memory', 'an error']);
  assert.deepEqual(await heardOf(['data: {"error" no json\n\n', 'data: {"error":null}\n']), []);
  assert.deepEqual(await heardOf(['data: {"error":{"message":"refused"}}\n\n'], 503), []);
});

test('who cannot send throws, and fetch is in its place', () => {
  const world = { fetch: () => {} };
  const own = world.fetch;
  assert.throws(() => overhear(() => { throw new Error('no'); }, () => {}, world), /no/);
  assert.equal(world.fetch, own);
});
