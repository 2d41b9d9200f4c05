// @ts-check
// Outsiders' text does nothing (contract 16.1, B16): whatever SillyTavern would read as a macro, a name in angles or a command
// is broken by an invisible character. Pure: no SillyTavern, no DOM.

const BREAK = '\u200b'; // zero width space
/** Stands between the braces of host's own macros while world info is scanned; outsiders' text never holds it. */
export const HOLD = '\ue000';
const BRACE = '\ue001'; // stands for `{` while regex scripts run
const ANGLE = '\ue002'; // stands for `<` while regex scripts run

const RESERVED = /[\ue000-\ue002]/g;
const RETURNS = /\r\n?/g; // SillyTavern takes them out of prompts, and what stood around them meets
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f]/g; // of its macros' own use, or of nobody's
const NAMES = '(?:user|bot|char|group|charifnotgroup)';
const ANGLED = new RegExp(`<(?=${NAMES}>)|<$`, 'gi');
const CAN_BE_MACRO = /^(?=(?:[^{]*\{){2})(?=(?:[^}]*\}){2})/; // two of each, in any order: a script may turn them round
// What a script puts beside its own `{{`, `{` or `<` of what it has matched.
const MAKES_MACRO = /\{\{(?:(?!\}\})[^])*\$(?:\d|<)|\{\$(?:\d|<)|<\/?\w*\$(?:\d|<)/;
const NAME_ENDS = new RegExp(`${NAMES}>`, 'i');
const QUOTES = /\$(?:\d|<)|\{\{match\}\}/i; // what a script writes holds what it has matched
const NAME_LENGTH = 64; // characters

/**
 * The text, unable to become a macro wherever it is put: `{{`, `<USER>` and its like are broken, and a brace or an angle at
 * its edge, which could meet one beside it. SillyTavern reads `\{` as a brace that is none, and writes `{`: the next time that
 * it looks it is one.
 * @param {unknown} text
 */
export function breakMacros(text) {
  return plain(text)
    .replace(/\{(?=\\*(?:\{|$))/g, `{${BREAK}`)
    .replace(/^(?=\\*\{)/, BREAK)
    .replace(ANGLED, `<${BREAK}`);
}

/** Without what is never seen. @param {unknown} text */
function plain(text) {
  return String(text ?? '')
    .replace(RESERVED, '')
    .replace(RETURNS, '\n')
    .replace(CONTROLS, '');
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

// Letters that are drawn as these: Cyrillic, Greek, and what is taken for l and o.
const DRAWN_AS = new Map(
  Object.entries({ a: 'аα', b: 'ьβв', c: 'сϲ', d: 'ԁ', e: 'еε', h: 'һн', i: 'іιıl1|', j: 'јϳ', k: 'кκ', m: 'м', n: 'пη', o: 'оο0', p: 'рρ', q: 'ԛ', r: 'г', s: 'ѕ', t: 'тτ', u: 'υ', v: 'νѵ', w: 'ԝω', x: 'хχ', y: 'уγ' }).flatMap(
    ([letter, others]) => [...others].map((other) => [other, letter]),
  ),
);

/**
 * A name as it looks: two that people would take for one another are the same. @param {string} name
 */
export function looks(name) {
  const letters = name.normalize('NFKD').toLowerCase().normalize('NFKD');
  return [...letters].map((letter) => DRAWN_AS.get(letter) ?? letter).join('').replace(/[^\p{L}\p{N}]/gu, '');
}

/**
 * Run the host's regex scripts over an outsider's text. A script substitutes macros in what it has matched, and may put
 * together what was broken (by removing characters, by its groups); so a text that could become a macro gets to the scripts
 * without any brace, one that could become a name in angles without any angle.
 * @param {string} text
 * @param {(text: string) => string} scripts
 */
export function scripted(text, scripts) {
  let held = plain(text);
  if (CAN_BE_MACRO.test(held)) held = held.replaceAll('{', BRACE);
  if (NAME_ENDS.test(held.slice(held.indexOf('<') + 1 || held.length))) held = held.replaceAll('<', ANGLE);
  return scripts(held).replaceAll(BRACE, '{').replaceAll(ANGLE, '<');
}

/**
 * Without the regex scripts that make a macro of what they match (`{{$1}}`): SillyTavern would run it. All within one turn of
 * the event loop, so nobody sees that they rest.
 * @template T
 * @param {any[]} scripts the host's, as SillyTavern has them
 * @param {() => T} run
 * @returns {T}
 */
export function withoutMakers(scripts, run) {
  const resting = scripts.filter((one) => one && !one.disabled && MAKES_MACRO.test(String(one.replaceString ?? '').replace(/\{\{match\}\}/gi, '$0')));
  for (const one of resting) one.disabled = true;
  try {
    return run();
  } finally {
    for (const one of resting) one.disabled = false;
  }
}

/**
 * Lets the host's regex scripts rest for an answer that SillyTavern is still writing: it substitutes macros in what a script
 * makes of it, for what is stored and for what is shown. Those for what is stored rest all together if one of them quotes what
 * it matches, for they work one on the other: they are to be run over the whole answer when it is there (`scripted`).
 *
 * What rests is said to SillyTavern alone, as it asks a script whether it is for this place: no file of settings and no
 * structured copy holds it.
 * @param {any[]} scripts the host's, as SillyTavern has them
 * @param {readonly number[]} places of answers, as `regex_placement` numbers them
 * @returns {{raw: boolean, shown: boolean, wake: () => void}} `raw`: those for what is stored rest; `shown`: some of what is shown
 */
export function restScripts(scripts, places) {
  const awake = scripts.filter((one) => one && !one.disabled && Array.isArray(one.placement) && places.some((place) => one.placement.includes(place)));
  const quoting = awake.filter((one) => QUOTES.test(String(one.replaceString ?? '')));
  const isRaw = (/** @type {any} */ one) => !one.markdownOnly && !one.promptOnly;
  const raw = quoting.some(isRaw);
  const shown = quoting.filter((one) => one.markdownOnly);
  const lists = new Set([...(raw ? awake.filter(isRaw) : []), ...shown].map((one) => one.placement));
  for (const list of lists) {
    const includes = (/** @type {number} */ place) => !places.includes(place) && Array.prototype.includes.call(list, place);
    Object.defineProperty(list, 'includes', { value: includes, configurable: true, enumerable: false });
  }
  return {
    raw,
    shown: shown.length > 0,
    wake: () => {
      for (const list of lists) delete list.includes;
      lists.clear();
    },
  };
}

/**
 * The host's regex scripts: of 1.14 and later by the engine, before that the settings' and the character's.
 * @param {any} engine @param {any} settings @param {any} character
 * @returns {any[]}
 */
export function scriptsOf(engine, settings, character) {
  if (typeof engine?.getRegexScripts === 'function') return engine.getRegexScripts({ allowedOnly: true });
  return [...(settings?.regex ?? []), ...(character?.data?.extensions?.regex_scripts ?? [])];
}
