// The visit that swaps the open chat for our words, for one turn of the event loop. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECRET, makeTavern } from './tavern_double.mjs';

const { inside } = await import(`${process.env.EXTENSION}/inside.js`);

/** Everything that is swapped: by identity, and as it is. */
function desk({ context, settings, tavern }) {
  const things = [context.chat, ...context.chat, context.chatMetadata, context.extensionPrompts, context.groups, tavern.world.selected_world_info, settings.variables, settings.variables.global, globalThis.setTimeout, globalThis.clearTimeout];
  const values = structuredClone([context.chat, context.chatMetadata, context.extensionPrompts, context.groups, tavern.world.selected_world_info, settings.variables, context.characterId, context.name2, context.powerUserSettings]);
  return { things, values };
}

function same(before, made) {
  const after = desk(made);
  assert.equal(before.things.length, after.things.length);
  before.things.forEach((thing, at) => assert.ok(Object.is(thing, after.things[at]), `thing ${at} is another`));
  assert.deepEqual(after.values, before.values);
}

const stage = (more = {}) => ({ chat: [{ mes: 'ours', extra: {} }], meta: { variables: {} }, characterId: 1, character: 'Robin', ...more });

test('inside there is our chat and nothing of the desk; afterwards all is the same, by identity too', () => {
  const made = makeTavern();
  const before = desk(made);
  const { tavern, context, settings } = made;
  for (const loreless of [false, true]) {
    const seen = inside(tavern, stage({ loreless, prompts: { ours: { value: 'x' } } }), () => {
      const found = JSON.stringify([context.chat, context.chatMetadata, context.extensionPrompts, context.groups, context.name2, context.characterId ?? null, context.powerUserSettings.persona_description]);
      context.chat.push({ mes: 'left behind' });
      context.chatMetadata.variables.x = 1;
      settings.variables.global.g = 'changed';
      setTimeout(() => assert.fail('a timer of the visit ran'), 0);
      clearTimeout(undefined);
      return found;
    });
    assert.ok(!seen.includes(SECRET) && seen.includes('ours') && seen.includes('Robin'), seen);
    same(before, made);
  }
});

test('a throw puts back all the same', () => {
  const made = makeTavern();
  const before = desk(made);
  assert.throws(() => inside(made.tavern, stage({ loreless: true }), () => { throw new Error('macro'); }), /macro/);
  same(before, made);
});

test('without global variables there are none afterwards', () => {
  const made = makeTavern();
  delete made.settings.variables.global;
  const before = desk(made);
  inside(made.tavern, stage(), () => (made.settings.variables.global.x = 1));
  same(before, made);
});

test('what macros make of the metadata is there at the next visit of the same stage', () => {
  const { tavern, context } = makeTavern();
  const scene = stage();
  inside(tavern, scene, () => (context.chatMetadata.variables.x = 'kept'));
  assert.equal(inside(tavern, scene, () => context.chatMetadata.variables.x), 'kept');
});

test('the persona is there when the host gives it', () => {
  const { tavern, context } = makeTavern();
  assert.match(inside(tavern, stage({ persona: true }), () => context.powerUserSettings.persona_description), /PERSONA/);
});
