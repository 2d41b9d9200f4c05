// @ts-check
// The modules of SillyTavern that headless prompts are made with, and which of their exports this version lacks.

/**
 * SillyTavern's modules by name, its context by call.
 * @typedef {{context: () => any, script: any, openai: any, world: any, instruct: any, power: any, tokenizers: any, textgen: any, settings: any, regex: any}} Tavern
 */

/** @type {Readonly<Record<string, readonly string[]>>} */
const NEEDED = {
  script: ['substituteParams', 'parseMesExamples', 'setCharacterId', 'setCharacterName'],
  world: ['worldInfoCache', 'METADATA_KEY', 'selected_world_info', 'world_info'],
  openai: ['sendOpenAIRequest', 'formatWorldInfo', 'setOpenAIMessageExamples'],
  tokenizers: ['countTokensOpenAIAsync', 'getTokenCountAsync'],
  instruct: ['formatInstructModeChat', 'formatInstructModeExamples', 'formatInstructModePrompt'],
  power: ['renderStoryString'],
  textgen: ['getTextGenGenerationData'],
};
const CONTEXT = ['ChatCompletionService', 'TextCompletionService', 'getWorldInfoPrompt', 'loadWorldInfo', 'unshallowCharacter', 'eventSource', 'extensionPrompts', 'chatMetadata'];

/** @type {Promise<Tavern> | undefined} */
let loading;

/** @returns {Promise<Tavern>} */
export function loadTavern() {
  loading ??= load();
  return loading;
}

async function load() {
  const at = (/** @type {string} */ path) => import(new URL(path, import.meta.url).href);
  const [script, openai, world, instruct, power, tokenizers, textgen, extensions, regex] = await Promise.all([
    at('../../../../script.js'),
    at('../../../openai.js'),
    at('../../../world-info.js'),
    at('../../../instruct-mode.js'),
    at('../../../power-user.js'),
    at('../../../tokenizers.js'),
    at('../../../textgen-settings.js'),
    at('../../../extensions.js'),
    at('../../regex/engine.js').catch(() => null), // an extension of its own, which may be absent
  ]);
  const context = () => /** @type {any} */ (globalThis).SillyTavern.getContext();
  return { context, script, openai, world, instruct, power, tokenizers, textgen, settings: extensions.extension_settings, regex };
}

/** @param {any} tavern @returns {string[]} */
export function missingIn(tavern) {
  const missing = Object.entries(NEEDED).flatMap(([module, names]) => names.filter((name) => tavern[module]?.[name] === undefined).map((name) => `${module}.${name}`));
  if (!tavern.script?.getMaxPromptTokens && !tavern.script?.getMaxContextSize) missing.push('script.getMaxContextSize');
  const context = tavern.context();
  return [...missing, ...CONTEXT.filter((name) => context?.[name] === undefined).map((name) => `context.${name}`)];
}
