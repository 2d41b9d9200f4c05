// @ts-check
// What a request may choose of its answer: these members by name, and nothing else (contract 16.1, B18). SillyTavern's server
// sends the host's stored key to whatever address a request body names, so nothing of a guest is ever spread into one. What a schema
// refers to elsewhere some model servers fetch, so a schema refers to itself alone.

import { Refusal } from './refusal.js';

/**
 * @typedef {object} Options
 * @property {number} [temperature] 0-2
 * @property {number} [top_p] 0-1
 * @property {number} [frequency_penalty] -2 to 2
 * @property {number} [presence_penalty] -2 to 2
 * @property {number} [repetition_penalty] 0-2
 * @property {number} [seed] integer
 * @property {number} [max_tokens] 1 or more; the host's own length is the most
 * @property {readonly string[]} [stop] up to 16 of up to 128 characters
 * @property {JsonSchema} [json_schema]
 */
/** @typedef {{name: string, strict: boolean, value: object}} JsonSchema */

/** @type {ReadonlyArray<['temperature'|'top_p'|'frequency_penalty'|'presence_penalty'|'repetition_penalty', number, number]>} */
const NUMBERS = [
  ['temperature', 0, 2],
  ['top_p', 0, 1],
  ['frequency_penalty', -2, 2],
  ['presence_penalty', -2, 2],
  ['repetition_penalty', 0, 2],
];
const STOPS = 16;
const STOP_LENGTH = 128;
const SCHEMA_LENGTH = 16_384; // characters of JSON
const SCHEMA_DEPTH = 16;
const REFERENCES = new Set(['$ref', '$dynamicRef', '$recursiveRef']);
const ADDRESSES = new Set(['$id', '$schema']); // what the references in it are relative to, and rules to be read elsewhere
const HOSTILE = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Read from the request, or from its `data` or `options`, in that order.
 * @param {unknown} request
 * @returns {Readonly<Options>}
 * @throws {Refusal} a schema that refers to something else
 */
export function optionsOf(request) {
  const places = [request, member(request, 'data'), member(request, 'options')];
  /** @param {string} name */
  const asked = (name) => places.map((place) => member(place, name)).find((value) => value !== undefined && value !== null);
  /** @type {Options} */
  const found = {};
  for (const [name, least, most] of NUMBERS) {
    const value = asked(name);
    if (typeof value === 'number' && Number.isFinite(value)) found[name] = Math.min(most, Math.max(least, value));
  }
  const seed = asked('seed');
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) found.seed = seed;
  const tokens = asked('max_tokens') ?? asked('max_completion_tokens');
  if (typeof tokens === 'number' && Number.isFinite(tokens) && tokens >= 1) found.max_tokens = Math.floor(tokens);
  const stop = stops(asked('stop'));
  if (stop.length > 0) found.stop = Object.freeze(stop);
  const schema = schemaOf(asked('response_format'));
  if (schema) found.json_schema = schema;
  return Object.freeze(found);
}

/**
 * Put them into a body for SillyTavern's chat completion server; what its source does not take stays out.
 * @param {any} body
 * @param {Readonly<Options>} options
 */
export function chooseForChat(body, options) {
  for (const name of /** @type {const} */ (['temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'repetition_penalty'])) {
    if (options[name] !== undefined && body[name] !== undefined) body[name] = options[name];
  }
  if (options.seed !== undefined) body.seed = options.seed;
  for (const name of ['max_tokens', 'max_completion_tokens']) {
    if (options.max_tokens !== undefined && body[name] !== undefined) body[name] = Math.min(body[name], options.max_tokens);
  }
  if (options.stop) body.stop = joined(body.stop, options.stop).slice(0, Math.max(4, body.stop?.length ?? 0)); // as many as OpenAI takes
  if (options.json_schema) body.json_schema = options.json_schema;
}

/**
 * The same for its text completion server, whose members have many names.
 * @param {any} body
 * @param {Readonly<Options>} options
 */
export function chooseForText(body, options) {
  if (options.temperature !== undefined) body.temperature = options.temperature;
  if (options.top_p !== undefined) body.top_p = options.top_p;
  if (options.seed !== undefined) body.seed = options.seed;
  if (options.frequency_penalty !== undefined) body.frequency_penalty = options.frequency_penalty;
  if (options.presence_penalty !== undefined) body.presence_penalty = options.presence_penalty;
  if (options.repetition_penalty !== undefined) {
    for (const name of ['repetition_penalty', 'rep_pen', 'repeat_penalty']) if (body[name] !== undefined) body[name] = options.repetition_penalty;
  }
  if (options.max_tokens !== undefined) {
    for (const name of ['max_tokens', 'max_new_tokens', 'n_predict', 'num_predict', 'max_length']) {
      if (typeof body[name] === 'number') body[name] = Math.min(body[name], options.max_tokens);
    }
  }
  if (options.stop) for (const name of ['stop', 'stopping_strings']) body[name] = joined(body[name], options.stop);
  if (options.json_schema) body.json_schema = options.json_schema.value;
}

/** @param {unknown} place @param {string} name @returns {any} */
function member(place, name) {
  return typeof place === 'object' && place !== null && Object.hasOwn(place, name) ? /** @type {any} */ (place)[name] : undefined;
}

/** @param {unknown} value @returns {string[]} */
function stops(value) {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((one) => typeof one === 'string' && one.length > 0 && one.length <= STOP_LENGTH).slice(0, STOPS);
}

/** @param {unknown} own @param {readonly string[]} more @returns {string[]} */
function joined(own, more) {
  return [...new Set([...(Array.isArray(own) ? own : []), ...more])];
}

/** @param {unknown} format @returns {JsonSchema | undefined} */
function schemaOf(format) {
  const type = member(format, 'type');
  if (type === 'json_object') return { name: 'answer', strict: false, value: { type: 'object' } };
  if (type !== 'json_schema') return undefined;
  const given = member(format, 'json_schema');
  const value = copied(member(given, 'schema'), SCHEMA_DEPTH);
  if (typeof value !== 'object' || value === null || Array.isArray(value) || JSON.stringify(value).length > SCHEMA_LENGTH) return undefined;
  const name = String(member(given, 'name') ?? 'answer').replace(/[^\w-]/g, '').slice(0, 64) || 'answer';
  return { name, strict: member(given, 'strict') !== false, value };
}

/**
 * A copy of plain values, without addresses. Names in a schema are those of what is answered, whatever they are: SillyTavern reads none of them, for
 * a schema lies in a member of its own.
 * @param {any} value @param {number} depth @returns {any}
 */
function copied(value, depth) {
  if (typeof value !== 'object' || value === null) return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
  if (depth === 0) return null;
  if (Array.isArray(value)) return value.map((one) => copied(one, depth - 1));
  return Object.fromEntries(
    Object.keys(value)
      .filter((name) => !HOSTILE.has(name) && !(ADDRESSES.has(name) && typeof value[name] === 'string'))
      .map((name) => [name, REFERENCES.has(name) ? within(value[name], depth) : copied(value[name], depth - 1)]),
  );
}

/** What a schema refers to; a property that is called so is described by an object. @param {any} value @param {number} depth @returns {any} */
function within(value, depth) {
  if (typeof value === 'string' && !value.startsWith('#')) throw new Refusal('A schema can refer to nothing but itself.', 7);
  return copied(value, depth - 1);
}
