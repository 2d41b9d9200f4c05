// What a request may choose: named members and nothing else (contract 16.1, B18). Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { chooseForChat, chooseForText, optionsOf } = await import(`${process.env.EXTENSION}/options.js`);

const DESTINATIONS = [
  ...['custom_url', 'custom_include_body', 'custom_include_headers', 'custom_exclude_body', 'custom_model', 'custom_prompt_post_processing'],
  ...['reverse_proxy', 'proxy_password', 'secret_id', 'chat_completion_source', 'api_server', 'api_type', 'azure_base_url', 'zai_endpoint'],
  ...['model', 'messages', 'prompt', 'stream', 'tools', 'n', 'profile', 'assistant_prefill', 'bypass_status_check', '__proto__', 'constructor'],
];
const EVIL = 'EVIL-http://attacker.test';
const chatBody = () => ({ model: 'own', custom_url: 'http://own', temperature: 1, top_p: 1, frequency_penalty: 0, presence_penalty: 0, max_tokens: 300, stop: ['own'], stream: true });
const textBody = () => ({ model: 'own', api_server: 'http://own', temperature: 1, max_tokens: 300, max_new_tokens: 300, n_predict: 300, repetition_penalty: 1, stop: ['own'], stopping_strings: ['own'], stream: true });

/** The member at every depth and in every place that a request has. */
function* poisoned(name) {
  const member = (value) => JSON.parse(`{${JSON.stringify(name)}: ${JSON.stringify(value)}}`);
  for (const value of [EVIL, { url: EVIL }, [EVIL]]) {
    let nested = member(value);
    for (let depth = 0; depth < 6; depth += 1) {
      yield nested;
      for (const place of ['data', 'options', 'currentRequest', 'temperature', 'response_format', 'seed', 'max_tokens', 'tools', 'messages', 'role']) yield { [place]: nested };
      yield { data: { options: nested, ...nested } };
      yield { stop: [nested] };
      yield { response_format: { type: 'json_schema', ...nested, json_schema: { ...nested, schema: { type: 'object', ...nested } } } };
      nested = depth % 2 ? { inner: nested } : { list: [nested], ...nested };
    }
  }
}

test('guest_options_never_reach_custom_url: no destination of any depth gets into a body', () => {
  for (const name of DESTINATIONS) {
    for (const request of poisoned(name)) {
      const options = optionsOf(request);
      for (const [body, choose] of [[chatBody(), chooseForChat], [textBody(), chooseForText]]) {
        const before = structuredClone(body);
        choose(body, options);
        const { json_schema, ...rest } = body;
        assert.deepEqual(rest, before, `${name} in ${JSON.stringify(request)}`);
        // Within a schema it is a name as others are; SillyTavern's server reads its own members beside it.
        if (json_schema && choose === chooseForChat) assert.deepEqual(Object.keys(json_schema), ['name', 'strict', 'value']);
      }
    }
  }
});

test('named members are read, within their bounds, wherever a request may have them', () => {
  assert.deepEqual({ ...optionsOf({ temperature: 9, data: { top_p: -1, temperature: 0 }, options: { seed: 7, max_tokens: 20.5, stop: 'END' } }) }, { temperature: 2, top_p: 0, seed: 7, max_tokens: 20, stop: ['END'] });
  assert.deepEqual({ ...optionsOf({ frequency_penalty: -3, presence_penalty: 1, repetition_penalty: 1.1, max_completion_tokens: 5 }) }, { frequency_penalty: -2, presence_penalty: 1, repetition_penalty: 1.1, max_tokens: 5 });
});

test('what is of another type is not there', () => {
  for (const request of [null, 'text', 7, {}, { temperature: '1', top_p: NaN, seed: 1.5, max_tokens: 0, stop: [7, '', 'x'.repeat(129)], response_format: 'json' }]) assert.deepEqual({ ...optionsOf(request) }, {});
  assert.deepEqual({ ...optionsOf({ seed: -1, response_format: { type: 'json_schema', json_schema: { schema: [] } } }) }, {});
  assert.equal(optionsOf({ stop: Array.from({ length: 40 }, (_, n) => `s${n}`) }).stop.length, 16);
});

test('inherited members do not count', () => {
  assert.deepEqual({ ...optionsOf(Object.create({ temperature: 2 })) }, {});
});

test('a body keeps its own length as the most, its own stops, and members its source does not take', () => {
  const body = chatBody();
  delete body.top_p;
  chooseForChat(body, optionsOf({ temperature: 0.5, top_p: 0.5, max_tokens: 9999, seed: 3, stop: ['a', 'b', 'c', 'd', 'e'] }));
  assert.deepEqual([body.temperature, body.top_p, body.max_tokens, body.seed, body.stop], [0.5, undefined, 300, 3, ['own', 'a', 'b', 'c']]);
  const text = textBody();
  chooseForText(text, optionsOf({ temperature: 0.5, top_p: 0.4, seed: 3, frequency_penalty: 1, presence_penalty: 1, repetition_penalty: 1.5, max_tokens: 10, stop: 'x' }));
  assert.deepEqual([text.temperature, text.top_p, text.seed, text.repetition_penalty, text.max_tokens, text.max_new_tokens, text.n_predict, text.stop, text.stopping_strings], [0.5, 0.4, 3, 1.5, 10, 10, 10, ['own', 'x'], ['own', 'x']]);
});

test('what a schema calls its properties is data', () => {
  const names = ['custom_url', 'homepage_url', 'api_key', 'headers', 'secret_id', 'proxy_password', 'reverse_proxy', 'search_endpoint'];
  const schema = { type: 'object', properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])), required: names };
  const options = optionsOf({ response_format: { type: 'json_schema', json_schema: { schema } } });
  for (const [body, choose, found] of [[chatBody(), chooseForChat, (all) => all.json_schema.value], [textBody(), chooseForText, (all) => all.json_schema]]) {
    const before = structuredClone(body);
    choose(body, options);
    assert.deepEqual(found(body), schema);
    delete body.json_schema;
    assert.deepEqual(body, before);
  }
  const hostile = JSON.parse('{"type":"object","properties":{"__proto__":{"a":1},"constructor":{},"b":{}}}');
  assert.deepEqual(Object.keys(optionsOf({ response_format: { type: 'json_schema', json_schema: { schema: hostile } } }).json_schema.value.properties), ['b']);
});

test('an answer in JSON is asked as SillyTavern asks for it', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } };
  const body = chatBody();
  chooseForChat(body, optionsOf({ response_format: { type: 'json_schema', json_schema: { name: 'my answer', schema } } }));
  assert.deepEqual(body.json_schema, { name: 'myanswer', strict: true, value: schema });
  const text = textBody();
  chooseForText(text, optionsOf({ response_format: { type: 'json_object' } }));
  assert.deepEqual(text.json_schema, { type: 'object' });
  assert.equal(optionsOf({ response_format: { type: 'json_schema', json_schema: { schema: { d: 'x'.repeat(17_000) } } } }).json_schema, undefined);
  let deep = { leaf: null };
  for (let depth = 0; depth < 30; depth += 1) deep = { deep: [deep] };
  assert.ok(!JSON.stringify(optionsOf({ response_format: { type: 'json_schema', json_schema: { schema: deep } } }).json_schema).includes('leaf'));
});

/** What comes of a schema. */
const wanted = (schema) => ({ response_format: { type: 'json_schema', json_schema: { name: 'it', schema } } });
const read = (schema) => optionsOf(wanted(schema)).json_schema?.value;

test('a schema that refers to itself is passed on, without the addresses that it is given', () => {
  const node = { type: 'object', properties: { next: { $ref: '#/$defs/node' }, $ref: { type: 'string' }, $id: { type: 'integer' }, id: { const: 'a' } } };
  const schema = { $schema: 'http://10.0.0.1/draft', $id: 'http://10.0.0.1/schema', $defs: { node: { $id: 'http://10.0.0.1/node', ...node } }, $ref: '#/$defs/node' };
  assert.deepEqual(read(schema), { $defs: { node }, $ref: '#/$defs/node' });
});

test('one that refers to something else is refused in words, wherever it does: a request chooses no destination', () => {
  for (const at of ['http://10.0.0.1/x', 'https://example.com/s.json#/a', 'file:///etc/passwd', '//10.0.0.1/x', 'other.json', '', ' #/a']) {
    for (const name of ['$ref', '$dynamicRef', '$recursiveRef']) {
      for (const schema of [{ [name]: at }, { properties: { a: { anyOf: [{ [name]: at }] } } }, { enum: [{ [name]: at }] }, { [name]: { [name]: at } }]) {
        const refusal = { name: 'Refusal', message: 'A schema can refer to nothing but itself.' };
        assert.throws(() => read(schema), refusal);
        assert.throws(() => optionsOf({ data: wanted(schema) }), refusal);
      }
    }
  }
});

test('what lies deeper than is read, or is no schema, is nothing', () => {
  let deep = { $ref: 'http://10.0.0.1/x' };
  for (let depth = 0; depth < 20; depth += 1) deep = { not: deep };
  assert.ok(!JSON.stringify(read(deep)).includes('10.0.0.1'));
  assert.equal(read([]), undefined);
});
