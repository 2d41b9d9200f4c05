// A SillyTavern of the tests: as much of its modules as headless prompts use, and a desk with a private chat.

export const SECRET = 'SECRET-XYZZY';

const list = (value, names) => names.map((name) => [name, value]);

/** @param {object} [more] settings over the chat completion settings, the power user's, and `mainApi` */
export function makeTavern({ oai = {}, power = {}, mainApi = 'openai', regex = null } = {}) {
  const listeners = new Map();
  const sent = [];
  const state = { characterId: 0, name2: 'Desk' };
  const settings = { variables: { global: { g: SECRET } }, note: { defaultDepth: 4 } };
  const context = {
    chat: [{ name: 'Desk', mes: SECRET, is_user: false, extra: {} }],
    chatMetadata: { note_prompt: SECRET, variables: { v: SECRET }, scenario: SECRET },
    extensionPrompts: { '1_memory': { value: SECRET } },
    groups: [{ id: 'g' }],
    characters: [
      { name: 'Desk', avatar: 'Desk.png', scenario: SECRET, data: {} },
      { name: 'Robin', avatar: 'Robin.png', shallow: true, description: '{{char}} knows {{user}}.', mes_example: '<START>\n{{user}}: hi\n{{char}}: ho', data: { extensions: { depth_prompt: { prompt: 'DEPTH', depth: 1, role: 'system' } } } },
    ],
    get characterId() {
      return state.characterId;
    },
    get name2() {
      return state.name2;
    },
    name1: 'Persona',
    mainApi,
    eventTypes: { CHAT_COMPLETION_SETTINGS_READY: 'ready' },
    eventSource: {
      on: (event, heard) => listeners.set(event, [...(listeners.get(event) ?? []), heard]),
      removeListener: (event, heard) => listeners.set(event, listeners.get(event).filter((one) => one !== heard)),
    },
    powerUserSettings: {
      persona_description: `PERSONA ${SECRET}`,
      persona_description_position: 0,
      persona_description_lorebook: '',
      prefer_character_prompt: true,
      instruct: { enabled: false },
      context: { chat_start: '' },
      sysprompt: { enabled: true, content: 'SYSTEM {{char}}' },
      token_padding: 0,
      ...power,
    },
    chatCompletionSettings: {
      openai_max_context: 1000,
      openai_max_tokens: 100,
      names_behavior: -1,
      new_chat_prompt: '[new]',
      new_example_chat_prompt: '[example]',
      prompts: [
        { identifier: 'main', role: 'system', content: 'MAIN {{char}}/{{user}} last={{lastMessage}}' },
        ...list('', ['charDescription', 'personaDescription', 'chatHistory', 'dialogueExamples', 'worldInfoBefore']).map(([identifier]) => ({ identifier, role: 'system', content: '' })),
      ],
      prompt_order: [{ character_id: 100001, order: ['main', 'worldInfoBefore', 'personaDescription', 'charDescription', 'dialogueExamples', 'chatHistory'].map((identifier) => ({ identifier, enabled: true })) }],
      ...oai,
    },
    tagMap: {},
    unshallowCharacter: async (index) => delete context.characters[index].shallow,
    loadWorldInfo: async () => ({ entries: { 0: { uid: 0, key: ['dragon'], content: 'LORE of {{user}}' }, 1: { uid: 1, key: ['goblin'], content: 'GOBLIN' } } }),
    async getWorldInfoPrompt(texts) {
      const book = world.worldInfoCache.get(context.chatMetadata[world.METADATA_KEY]);
      await null;
      const found = Object.values(book.entries).filter(({ key }) => texts.some((text) => key.some((one) => text.includes(one))));
      return { worldInfoBefore: found.map(({ content }) => content).join('\n'), worldInfoAfter: '', worldInfoExamples: [], worldInfoDepth: [], outletEntries: {} };
    },
    ChatCompletionService: { sendRequest: async (body, _extract, signal) => stream(body, signal) },
    TextCompletionService: { sendRequest: async (body, _extract, signal) => stream(body, signal) },
  };
  const stream = (body, signal) => {
    sent.push(body);
    return async function* chunks() {
      yield { text: ' Hel', state: { reasoning: 'hm' } };
      if (signal.aborted) return;
      yield { text: ' Hello', state: { reasoning: 'hm' } };
    };
  };
  const world = { worldInfoCache: new Map(), METADATA_KEY: 'world_info', selected_world_info: ['globalbook'], world_info: {}, world_info_include_names: true, world_info_character_strategy: 1 };
  const substituteParams = (text, user, char, original) => {
    let found = text;
    found = found.replace(/\{\{setvar::(\w+)::([^}]*)\}\}/g, (_, name, value) => (((context.chatMetadata.variables ??= {})[name] = value), setTimeout(() => {}, 0), ''));
    found = found.replace(/\{\{lastMessage\}\}/g, () => context.chat.at(-1)?.mes ?? '');
    return found.replace(/\{\{user\}\}/g, () => user ?? context.name1).replace(/\{\{char\}\}/g, () => char ?? state.name2).replace(/\{\{original\}\}/g, () => original ?? '');
  };
  const tavern = {
    context: () => context,
    settings,
    world,
    regex,
    script: {
      substituteParams,
      parseMesExamples: (text) => (text ? text.split('<START>').filter((part) => part.trim()).map((part) => `<START>\n${part.trim()}\n`) : []),
      setCharacterId: (id) => (state.characterId = id),
      setCharacterName: (name) => (state.name2 = name),
      getMaxContextSize: () => 1000,
      amount_gen: 50,
    },
    openai: {
      promptManager: { activeCharacter: { id: 100001 }, isValidName: () => true, sanitizeName: (name) => name },
      formatWorldInfo: (text) => text,
      setOpenAIMessageExamples: (examples) => examples.map((block) => block.split('\n').slice(1).filter(Boolean).map((line) => ({ content: line.replace(/^\w+: /, ''), name: line.startsWith(`${context.name1}:`) ? 'example_user' : 'example_assistant' }))),
      async sendOpenAIRequest(_type, messages, signal) {
        const body = { messages, custom_url: 'http://own', max_tokens: 100, temperature: 1, user_name: context.name1, char_name: state.name2, tools: [1], n: 2, stream: false };
        await null;
        for (const heard of listeners.get('ready') ?? []) heard(body);
        if (signal.aborted) throw new Error('aborted');
        sent.push('LEFT');
      },
    },
    tokenizers: { countTokensOpenAIAsync: async ({ content }) => Math.ceil(content.length / 4), getTokenCountAsync: async (text) => Math.ceil(text.length / 4) },
    instruct: {
      formatInstructModeChat: (name, text, user) => `<${user ? 'U' : 'A'}>${name}: ${text}\n`,
      formatInstructModeExamples: (examples) => examples,
      formatInstructModePrompt: (name) => `<A>${name}:`,
      formatInstructModeStoryString: (text) => `<S>${text}`,
    },
    power: { renderStoryString: ({ system, description, wiBefore, persona }) => `${[system, wiBefore, persona, description].filter(Boolean).join('\n')}\n` },
    textgen: { getTextGenGenerationData: async (prompt, length) => ({ prompt, max_tokens: length, api_server: 'http://own', stop: [`\n${context.name1}:`], stopping_strings: [`\n${context.name1}:`], stream: false }) },
  };
  return { tavern, context, sent, settings, listeners };
}
