// Outsiders' text does nothing (contract 16.1, B16). Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { breakMacros, breakName, breakText, scripted } = await import(`${process.env.EXTENSION}/outsiders.js`);

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
