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
    const harmlessInSchema = !/^(custom_|reverse|proxy|secret|chat_comp|api_|azure|zai|__proto|constr)/.test(name);
    for (const request of poisoned(name)) {
      const options = optionsOf(request);
      for (const [body, choose] of [[chatBody(), chooseForChat], [textBody(), chooseForText]]) {
        const before = structuredClone(body);
        choose(body, options);
        const { json_schema, ...rest } = body;
        assert.deepEqual(rest, before, `${name} in ${JSON.stringify(request)}`);
        if (!harmlessInSchema) assert.ok(!JSON.stringify(json_schema ?? null).includes(EVIL), `${name} in ${JSON.stringify(request)}`);
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
  assert.deepEqual([body.temperature, body.top_p, body.max_tokens, body.seed, body.stop], [0.5, undefined, 300, 3, ['a', 'b', 'c', 'd']]);
  const text = textBody();
  chooseForText(text, optionsOf({ temperature: 0.5, top_p: 0.4, seed: 3, frequency_penalty: 1, presence_penalty: 1, repetition_penalty: 1.5, max_tokens: 10, stop: 'x' }));
  assert.deepEqual([text.temperature, text.top_p, text.seed, text.repetition_penalty, text.max_tokens, text.max_new_tokens, text.n_predict, text.stop, text.stopping_strings], [0.5, 0.4, 3, 1.5, 10, 10, 10, ['x', 'own'], ['x', 'own']]);
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
