// @ts-check
// A prompt for chat completion: the order and the prompts of the host's preset, the card, world info, and the request's words
// in the place of the chat, newest first as far as the context holds them.

import { inside } from './inside.js';
import { loreOf } from './lore.js';
import { PERSONA_IN_PROMPT, ROLES, examplesOf, piecesOf, substitute } from './scene.js';

/** @typedef {import('./tavern.js').Tavern} Tavern */
/** @typedef {import('./scene.js').Scene} Scene */
/** @typedef {import('./lore.js').Lore} Lore */
/** @typedef {{role: string, content: string, name?: string, id?: string}} Message */
/** @typedef {{id: string, role: string, content: string, depth: number, order: number}} Slot */
/** @typedef {{slots: Slot[], absolute: Slot[], newChat: string, newExample: string, impersonation: string, nudge: string, examples: any[][]}} Plan */

const DEFAULT_ORDER = 100_001; // of the prompt manager without a character of its own
const PRIMING = 3; // tokens that every answer begins with
const ORDER = 100; // of what has no order of its own
const BATCH = 8; // messages that are counted at once
const NAMES_NONE = -1; // names_behavior
const NAMES_IN_COMPLETION = 1;
const NAMES_IN_CONTENT = 2;
const ABSOLUTE = 1; // injection_position
const HISTORY = 'chatHistory';
const EXAMPLES = 'dialogueExamples';

/** Tokens that are left. */
class Budget {
  /** @param {Tavern} tavern @param {number} left */
  constructor(tavern, left) {
    this.tavern = tavern;
    this.left = left;
  }

  /** @param {Message} message @returns {Promise<number>} */
  async cost({ role, content, name }) {
    return content ? this.tavern.tokenizers.countTokensOpenAIAsync(name === undefined ? { role, content } : { role, content, name }) : 0;
  }
}

/**
 * @param {Tavern} tavern @param {Scene} scene
 * @param {{squash?: boolean}} [options] `squash`: join system messages that follow each other, as the host's settings say
 * @returns {Promise<Message[]>}
 */
export async function chatPrompt(tavern, scene, { squash } = {}) {
  const settings = tavern.context().chatCompletionSettings;
  const limit = settings.openai_max_context - settings.openai_max_tokens;
  const lore = await loreOf(tavern, scene, limit);
  const plan = inside(tavern, { ...scene.stage, prompts: lore.outlets }, () => planOf(tavern, scene, lore));
  const messages = withPieces(linesOf(tavern, scene), plan.absolute, piecesOf(tavern, scene, lore));
  const budget = new Budget(tavern, limit - PRIMING);
  await reserve(budget, plan.slots.filter(({ id, content }) => content && id !== HISTORY && id !== EXAMPLES));
  const last = scene.task === 'impersonate' ? plan.impersonation : scene.task === 'continue' ? plan.nudge : '';
  const closing = last ? [{ role: 'system', content: last }] : [];
  await reserve(budget, closing);

  /** @type {Record<string, Message[]>} */
  const filled = { [HISTORY]: [], [EXAMPLES]: [] };
  const fill = {
    [HISTORY]: async () => talk(budget, messages, plan.newChat, settings.send_if_empty),
    [EXAMPLES]: async () => show(budget, plan),
  };
  const present = new Set(plan.slots.map(({ id }) => id));
  const pinned = tavern.context().powerUserSettings.pin_examples;
  for (const id of pinned ? [EXAMPLES, HISTORY] : [HISTORY, EXAMPLES]) if (present.has(id)) filled[id] = await fill[/** @type {'chatHistory'} */ (id)]();
  const whole = plan.slots.flatMap(({ id, role, content }) => filled[id] ?? (content ? [{ role, content, id }] : []));
  const joined = (squash ?? settings.squash_system_messages) ? squashed(whole) : whole;
  return [...joined, ...closing].map(({ id, ...message }) => message);
}

/** What the preset and the card say, macros substituted; only inside. @param {Tavern} tavern @param {Scene} scene @param {Lore} lore @returns {Plan} */
function planOf(tavern, scene, lore) {
  const settings = tavern.context().chatCompletionSettings;
  const power = tavern.context().powerUserSettings;
  const { openai } = tavern;
  const { card } = scene;
  const filled = (/** @type {unknown} */ text, /** @type {string} */ original = /** @type {any} */ (undefined)) => substitute(tavern, scene, text, original);
  const formatted = (/** @type {string} */ text, /** @type {string} */ format) => (text && format ? filled(format) : text);
  /** @type {Record<string, string>} */
  const marks = {
    worldInfoBefore: openai.formatWorldInfo(lore.before),
    worldInfoAfter: openai.formatWorldInfo(lore.after),
    charDescription: card.description,
    charPersonality: formatted(card.personality, settings.personality_format),
    scenario: formatted(card.scenario, settings.scenario_format),
    personaDescription: power.persona_description_position === PERSONA_IN_PROMPT ? card.persona : '',
  };
  /** @type {Record<string, string>} */
  const overrides = { main: card.system, jailbreak: card.afterHistory };
  const wanted = String(openai.promptManager?.activeCharacter?.id ?? DEFAULT_ORDER);
  const orders = settings.prompt_order;
  const { order } = orders.find((/** @type {any} */ one) => String(one.character_id) === wanted) ?? orders[0];
  const slots = [];
  const absolute = [];
  for (const { identifier: id, enabled } of order) {
    const prompt = settings.prompts.find((/** @type {any} */ one) => one.identifier === id);
    const triggers = prompt?.injection_trigger;
    if (!prompt || !enabled || (triggers?.length && !triggers.includes('normal'))) continue;
    let content = marks[id] ?? filled(prompt.content);
    if (overrides[id] && prompt.forbid_overrides !== true) content = filled(overrides[id], content);
    const slot = { id, role: prompt.role ?? 'system', content, depth: prompt.injection_depth, order: prompt.injection_order ?? ORDER };
    (prompt.injection_position === ABSOLUTE && id !== HISTORY ? absolute : slots).push(slot);
  }
  return {
    slots,
    absolute,
    newChat: filled(settings.new_chat_prompt),
    newExample: filled(settings.new_example_chat_prompt),
    impersonation: scene.task === 'impersonate' ? filled(settings.impersonation_prompt) : '',
    nudge: scene.task === 'continue' ? filled(String(settings.continue_nudge_prompt ?? '').replace(/\{\{lastChatMessage\}\}/gi, '')) : '',
    examples: openai.setOpenAIMessageExamples(spokenTo(tavern, scene, examplesOf(tavern, scene, lore, false))),
  };
}

/** SillyTavern knows lines of the user by the desk's own name. @param {Tavern} tavern @param {Scene} scene @param {string[]} examples */
function spokenTo(tavern, scene, examples) {
  const desk = tavern.context().name1;
  if (desk === scene.user) return examples;
  const theirs = `${scene.user}:`;
  return examples.map((block) => block.split('\n').map((line) => (line.startsWith(theirs) ? `${desk}:${line.slice(theirs.length)}` : line)).join('\n'));
}

/** The request's words as messages, newest first. @param {Tavern} tavern @param {Scene} scene @returns {Message[]} */
function linesOf(tavern, scene) {
  const behavior = tavern.context().chatCompletionSettings.names_behavior;
  const manager = tavern.openai.promptManager;
  const several = (/** @type {string} */ role) => new Set(scene.history.filter((line) => line.role === role).map(({ name }) => name)).size > 1;
  const prefixed = behavior === NAMES_IN_CONTENT || (behavior !== NAMES_NONE && (several('user') || several('assistant')));
  return scene.history
    .map(({ name, role, text }) => {
      /** @type {Message} */
      const message = { role, content: prefixed && role !== 'system' ? `${name}: ${text}` : text };
      if (behavior === NAMES_IN_COMPLETION && role !== 'system') message.name = manager.isValidName(name) ? name : manager.sanitizeName(name);
      return message;
    })
    .reverse();
}

/**
 * Messages, newest first, with what the preset, the card and world info put between them.
 * @param {Message[]} messages @param {Slot[]} absolute @param {import('./scene.js').Piece[]} pieces @returns {Message[]}
 */
function withPieces(messages, absolute, pieces) {
  const found = [...messages];
  const depths = [...new Set([...absolute, ...pieces].map(({ depth }) => depth))].sort((one, other) => one - other);
  let added = 0;
  for (const depth of depths) {
    const here = absolute.filter((slot) => slot.depth === depth && slot.content);
    const orders = [...new Set([ORDER, ...absolute.filter((slot) => slot.depth === depth).map(({ order }) => order)])].sort((one, other) => other - one);
    const put = [];
    for (const order of orders) {
      for (const role of ROLES) {
        const presets = here.filter((slot) => slot.order === order && slot.role === role).map(({ content }) => content);
        const ours = order === ORDER ? pieces.filter((piece) => piece.depth === depth && ROLES[piece.role] === role).map(({ text }) => text.trim()) : [];
        const content = [presets.join('\n'), ours.join('\n')].filter(Boolean).map((text) => text.trim()).join('\n');
        if (content) put.push({ role, content });
      }
    }
    found.splice(depth + added, 0, ...put);
    added += put.length;
  }
  return found;
}

/** What has to be there. @param {Budget} budget @param {Message[]} messages */
async function reserve(budget, messages) {
  const costs = await Promise.all(messages.map((message) => budget.cost(message)));
  for (const cost of costs) budget.left -= cost;
  if (budget.left < 0) throw new Error('The card and the preset are larger than the context.');
}

/** @param {Budget} budget @param {Message[]} messages newest first @param {string} newChat @param {string} ifEmpty @returns {Promise<Message[]>} oldest first */
async function talk(budget, messages, newChat, ifEmpty) {
  /** @type {Message} */
  const head = { role: 'system', content: newChat, id: 'newMainChat' };
  budget.left -= await budget.cost(head);
  /** @type {Message[]} */
  const found = [];
  if (messages[0]?.role === 'assistant' && ifEmpty) {
    const message = { role: 'user', content: ifEmpty };
    const cost = await budget.cost(message);
    if (cost <= budget.left) {
      budget.left -= cost;
      found.unshift(message);
    }
  }
  for (let at = 0, full = false; at < messages.length && !full; at += BATCH) {
    const some = messages.slice(at, at + BATCH);
    const costs = await Promise.all(some.map((message) => budget.cost(message)));
    for (const [place, message] of some.entries()) {
      full = costs[place] > budget.left;
      if (full) break;
      budget.left -= costs[place];
      found.unshift(message);
    }
  }
  return head.content ? [head, ...found] : found;
}

/** Examples, whole ones, as many as there is room for. @param {Budget} budget @param {Plan} plan @returns {Promise<Message[]>} */
async function show(budget, plan) {
  const found = [];
  for (const block of plan.examples) {
    /** @type {Message[]} */
    const messages = [{ role: 'system', content: plan.newExample, id: 'newChat' }, ...block.map(({ content, name }) => ({ role: 'system', content, name }))];
    const cost = (await Promise.all(messages.map((message) => budget.cost(message)))).reduce((sum, one) => sum + one, 0);
    if (cost > budget.left) break;
    budget.left -= cost;
    found.push(...messages.filter(({ content }) => content));
  }
  return found;
}

/** System messages that follow each other as one. @param {Message[]} messages @returns {Message[]} */
function squashed(messages) {
  const joins = (/** @type {Message} */ { role, name, id }) => role === 'system' && !name && id !== 'newMainChat' && id !== 'newChat';
  /** @type {Message[]} */
  const found = [];
  for (const message of messages) {
    const last = found.at(-1);
    if (last && joins(last) && joins(message)) last.content += `\n${message.content}`;
    else found.push({ ...message });
  }
  return found;
}
