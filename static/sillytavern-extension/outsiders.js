// @ts-check
// Outsiders' text does nothing (contract 16.1, B16): whatever SillyTavern would read as a macro, a name in angles or a command
// is broken by an invisible character. Pure: no SillyTavern, no DOM.

const BREAK = '\u200b'; // zero width space
/** Stands between the braces of host's own macros while world info is scanned; outsiders' text never holds it. */
export const HOLD = '\ue000';
const BRACE = '\ue001'; // stands for `{` while regex scripts run
const ANGLE = '\ue002'; // stands for `<` while regex scripts run

const RESERVED = /[\ue000-\ue002]/g;
const NAMES = '(?:user|bot|char|group|charifnotgroup)';
const ANGLED = new RegExp(`<(?=${NAMES}>)|<$`, 'gi');
const CAN_BE_MACRO = /\{[^]*\{[^]*\}[^]*\}/;
const CAN_BE_ANGLED = new RegExp(`<[^]*${NAMES}>`, 'i');
const NAME_LENGTH = 64; // characters

/**
 * The text, unable to become a macro wherever it is put: `{{`, `<USER>` and its like are broken, and a brace or an angle at
 * its edge, which could meet one beside it.
 * @param {unknown} text
 */
export function breakMacros(text) {
  return String(text ?? '')
    .replace(RESERVED, '')
    .replace(/\{(?=\{|$)/g, `{${BREAK}`)
    .replace(/^\{/, `${BREAK}{`)
    .replace(ANGLED, `<${BREAK}`);
}

/**
 * The text as it may stand in a chat: macros and a leading slash are broken. `markup`: every `<` as well, where an extension
 * is enabled that runs code of messages. May be applied to what came out of it.
 * @param {unknown} text
 * @param {{markup?: boolean}} [options]
 */
export function breakText(text, { markup = false } = {}) {
  const calm = breakMacros(text).replace(/^(\s*)\//, `$1${BREAK}/`);
  return markup ? calm.replace(/<(?!\u200b)/g, `<${BREAK}`) : calm;
}

/**
 * An outsider's name: one line of at most 64 characters that is no macro.
 * @param {unknown} name
 */
export function breakName(name, otherwise = 'Guest') {
  const line = String(name ?? '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  return breakText([...line].slice(0, NAME_LENGTH).join('').trim() || otherwise);
}

/**
 * Run the host's regex scripts over an outsider's text. A script substitutes macros in what it has matched, and may put
 * together what was broken (by removing characters, by its groups); so a text that could become a macro gets to the scripts
 * without any brace, one that could become a name in angles without any angle.
 * @param {string} text
 * @param {(text: string) => string} scripts
 */
export function scripted(text, scripts) {
  let held = text.replace(RESERVED, '');
  if (CAN_BE_MACRO.test(held)) held = held.replaceAll('{', BRACE);
  if (CAN_BE_ANGLED.test(held)) held = held.replaceAll('<', ANGLE);
  return scripts(held).replaceAll(BRACE, '{').replaceAll(ANGLE, '<');
}
