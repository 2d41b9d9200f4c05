// @ts-check
// What the person at the desk looks at: who has scrolled up in the chat reads there, whatever is answered below.

const CHAT = 'chat';
const READING_PX = 60; // so far above the end nobody wants to see what comes
const END_PX = 5;
const FRAMES_MS = 300; // SillyTavern scrolls with the next frame

export class View {
  /** @type {(() => void) | null} */
  #free = null;
  /** @type {any} */
  #timer = null;

  /** The chat stays where it is scrolled to, unless that is its end, or until the person scrolls there. */
  hold() {
    clearTimeout(this.#timer); // of the answer before
    const chat = document.getElementById(CHAT);
    if (!chat || this.#free || below(chat) < READING_PX) return;
    const own = Object.getOwnPropertyDescriptor(Element.prototype, 'scrollTop');
    const follow = () => {
      if (below(chat) <= END_PX) this.#free?.();
    };
    // SillyTavern's own scrolling is a write to this; a person's is none.
    Object.defineProperty(chat, 'scrollTop', { configurable: true, get: () => own?.get?.call(chat), set: () => {} });
    chat.addEventListener('scroll', follow, { passive: true });
    this.#free = () => {
      this.#free = null;
      chat.removeEventListener('scroll', follow);
      delete (/** @type {any} */ (chat).scrollTop);
    };
  }

  /** It is SillyTavern's again, once what is over has been drawn. */
  release() {
    this.#timer = setTimeout(() => this.#free?.(), FRAMES_MS);
  }
}

/** How much of it is below what is seen. @param {Element} chat */
function below(chat) {
  return chat.scrollHeight - chat.clientHeight - chat.scrollTop;
}
