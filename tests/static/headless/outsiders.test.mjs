// Outsiders' text does nothing (contract 16.1, B16). Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { breakMacros, breakName, breakText, looks, restScripts, scripted, scriptsOf, withoutMakers } = await import(`${process.env.EXTENSION}/outsiders.js`);

const MACRO = /\{\{|<(?:user|bot|char|group|charifnotgroup)>/i;

test('macros, names in angles and a command are broken, and look as before', () => {
  const said = '/sys {{setvar::x::1}} {{{user}}} <USER> <bot> <Char> <group> <charIfNotGroup> <b>bold</b>';
  const calm = breakText(said);
  assert.doesNotMatch(calm, MACRO);
  assert.doesNotMatch(calm, /^\s*\//);
  assert.equal(calm.replaceAll('\u200b', ''), said);
  assert.ok(calm.includes('<b>bold</b>'));
});

test('legacy_angle_macro: each name in angles is broken in any case', () => {
  for (const name of ['user', 'USER', 'Bot', 'char', 'GROUP', 'CharIfNotGroup']) assert.doesNotMatch(breakText(`a <${name}> b`), MACRO);
});

test('what was broken may be broken again, and markup as well', () => {
  const once = breakText('  /run {{a}} <user> <i>x</i>', { markup: true });
  assert.equal(breakText(once, { markup: true }), once);
  assert.ok(!/<(?!\u200b)/.test(once));
});

test('edges do not meet a brace beside them', () => {
  for (const part of ['{setvar::x::1}}', '{', 'a{', '<']) {
    assert.doesNotMatch(`{${breakMacros(part)}{user}}`, /\{\{/);
    assert.doesNotMatch(`${breakMacros(part)}user>`, MACRO);
  }
});

test('characters of our own use do not come from outside', () => {
  assert.doesNotMatch(breakMacros('{\ue000{setvar::x::1}}').replaceAll('\ue000', ''), MACRO);
  assert.equal(scripted('a\ue001b', (text) => text), 'ab');
});

test('names that look alike are the same', () => {
  for (const [one, other] of [['Ann', 'аnn'], ['Bill', 'BiII'], ['Zoë', 'zoe'], ['Ann\u200b', 'Ann'], ['John', 'Jοhn'], ['10', 'lo']]) assert.equal(looks(one), looks(other), other);
  assert.notEqual(looks('Ann'), looks('Anna'));
  assert.notEqual(looks('安'), looks('按'));
});

test('names are one line of at most 64 characters', () => {
  assert.equal(breakName('Ann\n\u2028Lee'), 'Ann Lee');
  assert.equal(breakName(''), 'Guest');
  assert.equal(breakName(null, 'Nobody'), 'Nobody');
  assert.equal([...breakName('\u{1f600}'.repeat(80))].length, 64);
  assert.doesNotMatch(breakName('{{user}}'), MACRO);
});

test('regex_script_cannot_unbreak: scripts never see what could become a macro, whatever they take away', () => {
  const seen = [];
  const unbreak = (text) => {
    seen.push(text);
    return text.replace(/[\u200b-]/g, '').replace(/(\{)\s*(\{)/g, '$1$2');
  };
  for (const said of ['{{setvar::x::1}}', '{-{user}-}', '{ {user}}', '<-user>', 'a <user> b', '{\u200b{user}}']) scripted(said, unbreak);
  for (const text of seen) assert.doesNotMatch(text.replace(/[\u200b -]/g, ''), MACRO);
});

test('scripts do with harmless text what they do', () => {
  assert.equal(scripted('<think>x</think>a {b}', (text) => text.replace(/<think>.*<\/think>/, '')), 'a {b}');
  assert.equal(scripted('say {{user}}', (text) => text.replace('say', 'said')), 'said {{user}}');
});

test('regex_script_cannot_unbreak: scripts that make a macro of what they match rest meanwhile', () => {
  const makers = ['{{$1}}', '{{{{match}}}}', '{{getvar::$<name>}}', '{$1', '<$1>', '</u$1>'];
  const others = ['$1', '{{match}}', '{{user}}: $1', '<b>$1</b>', '', undefined, '{{char}}{{user}} $2'];
  const list = [...makers, ...others].map((replaceString) => ({ replaceString, disabled: false }));
  list.push({ replaceString: '{{$1}}', disabled: true });
  assert.equal(withoutMakers(list, () => list.filter((one) => one.disabled).length), makers.length + 1);
  assert.deepEqual(list.map((one) => one.disabled), [...list.slice(0, -1).map(() => false), true]);
  assert.throws(() => withoutMakers(list, () => { throw new Error('no'); }));
  assert.equal(list.filter((one) => one.disabled).length, 1);
});

test('the scripts are those of the engine, or in older versions those of the settings and the character', () => {
  assert.deepEqual(scriptsOf({ getRegexScripts: ({ allowedOnly }) => [allowedOnly] }, {}, undefined), [true]);
  assert.deepEqual(scriptsOf({}, { regex: [1] }, { data: { extensions: { regex_scripts: [2] } } }), [1, 2]);
  assert.deepEqual(scriptsOf({}, {}, undefined), []);
});

test('what SillyTavern takes out of a text joins no macro', () => {
  const evil = ['{\r{user}}', '{\r\r{user}}', '<US\rER>', '<\rUSER>', '{\u0000\u001fELSE\u001f\u0000{user}}', '{\b{user}}'];
  for (const text of evil) assert.doesNotMatch(breakMacros(text).replaceAll('\r', ''), MACRO, JSON.stringify(text));
  assert.equal(breakText('a\r\nb\rc\td\n'), 'a\nb\nc\td\n');
});

test('braces that SillyTavern unescapes are none the next time either', () => {
  const unescaped = (text) => text.replace(/\\([{}])/g, '$1');
  for (const text of ['\\{\\{user\\}\\}', '{\\{user}}', '\\{{user}}', '{\\\\{user}}', 'a \\{', '\\{user}}', '{\\']) {
    for (let seen = `{${breakText(text)}{user}}`, times = 0; times < 4; times += 1, seen = unescaped(seen)) assert.doesNotMatch(seen, MACRO, text);
    assert.equal(breakText(breakText(text)), breakText(text));
  }
  assert.equal(breakText('a \\{x\\} {y}'), 'a \\{x\\} {y}');
});

test('long texts take no long time', () => {
  const began = performance.now();
  for (const text of ['<'.repeat(200_000), '{'.repeat(200_000), '{\\'.repeat(100_000), ' '.repeat(200_000), '</user'.repeat(50_000)]) scripted(breakText(text, { markup: true }), String);
  assert.ok(performance.now() - began < 20_000);
});

test('scripts that quote what they match rest for answers that are being written, and are as before afterwards', () => {
  const one = (replaceString, more = {}) => ({ replaceString, placement: [1, 2, 6], disabled: false, ...more });
  const list = [one('plain'), one('<b>$1</b>'), one('plain', { markdownOnly: true }), one('<i>{{match}}</i>', { markdownOnly: true, promptOnly: true })];
  list.push(one('$1', { promptOnly: true }), one('$1', { placement: [1] }), one('$1', { disabled: true }), one('$<a>', { placement: undefined }));
  const before = structuredClone(list);
  const says = (place) => list.map((script) => script.placement?.includes(place));
  const rested = restScripts(list, [2, 6]);
  assert.deepEqual([rested.raw, rested.shown], [true, true]);
  for (const place of [2, 6]) assert.deepEqual(says(place).slice(0, 5), [false, false, true, false, true]);
  assert.deepEqual(says(1).slice(0, 6), [true, true, true, true, true, true]);
  assert.deepEqual(JSON.parse(JSON.stringify(list)), JSON.parse(JSON.stringify(before)), 'what is saved meanwhile');
  assert.deepEqual(structuredClone(list), before);
  rested.wake();
  rested.wake();
  assert.deepEqual(says(2), [true, true, true, true, true, false, true, undefined]);
  assert.ok(list.every((script) => !Object.hasOwn(script.placement ?? {}, 'includes')));
});

test('nothing rests where no script quotes what it matches', () => {
  const list = [{ replaceString: 'x', placement: [2] }, { replaceString: undefined, placement: [2] }, null];
  const rested = restScripts(list, [2]);
  assert.deepEqual([rested.raw, rested.shown], [false, false]);
  assert.ok(list[0].placement.includes(2));
});
