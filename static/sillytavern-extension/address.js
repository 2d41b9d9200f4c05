// @ts-check
// Hubs' addresses as people write them, and the key of each: a hub is shown its own key and no other's.

const PORT = 4000;
const KEYS_MAX = 16;

/**
 * The origin that an address means: '' for none, null for what is no address. Without a scheme it is http, and port 4000.
 * @param {unknown} written
 */
export function originOf(written) {
  const text = String(written ?? '').trim();
  if (!text) return '';
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  try {
    const url = new URL(whole ? text : `http://${text}`);
    if (!['http:', 'https:'].includes(url.protocol) || !url.hostname) return null;
    // Port 80, said or not, is '' of a URL: said, it is meant.
    if (!whole && !url.port && !/:80\b/.test(text)) url.port = String(PORT);
    return url.origin;
  } catch {
    return null;
  }
}

/** Keys by hub, kept in the settings; those of the default address are kept under ''. */
export class Keys {
  #settings;
  #home;

  /** @param {any} settings `address`, and `keys` @param {() => string} home the default address */
  constructor(settings, home) {
    this.#settings = settings;
    this.#home = home;
    const { keys, key } = settings;
    settings.keys = keys && typeof keys === 'object' && !Array.isArray(keys) ? keys : {};
    // Until 0.1.1 there was one key, of whichever hub: it is that one's whose address stands there now.
    if (typeof key === 'string' && key && !this.get()) this.set(key);
    delete settings.key;
  }

  /** Which hub is meant, as the settings are now. */
  get hub() {
    const origin = originOf(this.#settings.address) ?? '';
    return origin === originOf(this.#home()) ? '' : origin;
  }

  get(hub = this.hub) {
    const key = Object.hasOwn(this.#settings.keys, hub) ? this.#settings.keys[hub] : '';
    return typeof key === 'string' ? key : '';
  }

  /** Keep it; '' forgets it. The hub whose key was kept longest ago goes where there are too many. */
  set(/** @type {string} */ key, hub = this.hub) {
    const { keys } = this.#settings;
    delete keys[hub];
    if (key) keys[hub] = key;
    for (const oldest of Object.keys(keys).slice(0, -KEYS_MAX)) delete keys[oldest];
  }
}
