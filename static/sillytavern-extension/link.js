// @ts-check
// What becomes of the linked chat, and of what the settings say of characters, when the person at the desk renames or deletes.

/**
 * Follow names that change, and unlink what is gone.
 * @param {object} given
 * @param {any} given.host
 * @param {{link: import('./desk.js').Link | null, character: string, offered: string[] | null}} given.settings
 * @param {() => any} given.changed resolves when it is kept
 * @param {() => void} given.lost the linked chat is no more
 */
export function followLink({ host, settings, changed, lost }) {
  host.on('characterRenamed', (/** @type {string} */ before, /** @type {string} */ now) => {
    const { link } = settings;
    if (link?.avatar === before) link.avatar = now;
    if (link?.chats && before in link.chats) {
      const { [before]: chat, ...others } = link.chats;
      link.chats = { ...others, [now]: chat };
    }
    if (settings.character === before) settings.character = now;
    settings.offered = settings.offered?.map((id) => (id === before ? now : id)) ?? null;
    return changed(); // SillyTavern may load its page again next
  });
  host.on('chatRenamed', (/** @type {any} */ said) => {
    const { link } = settings;
    const [before, now] = [nameOf(said?.oldFileName), nameOf(said?.newFileName)];
    if (!link) return;
    if (link.chats && !said?.groupId && link.chats[said?.avatarId] === before) link.chats[said.avatarId] = now;
    if (link.chatId !== before || (said?.groupId ? String(said.groupId) !== link.group : said?.avatarId !== link.avatar)) return;
    link.chatId = now;
    link.title = link.title.replace(before, () => now);
    return changed();
  });
  host.on('chatDeleted', async (/** @type {string} */ name) => {
    const { link } = settings;
    if (!link || link.group || link.chatId !== nameOf(name)) return;
    if (!(await host.hasChat(link)) && settings.link === link) lost(); // another character's may be called the same
  });
  host.on('groupChatDeleted', (/** @type {string} */ name) => {
    if (settings.link?.group && settings.link.chatId === nameOf(name)) lost();
  });
  host.on('characterDeleted', (/** @type {any} */ said) => {
    if (settings.link && !settings.link.group && settings.link.avatar === said?.character?.avatar) lost();
  });
}

/** A chat's name, without the end of its file. @param {unknown} file */
function nameOf(file) {
  return String(file ?? '').replace(/\.jsonl$/, '');
}
