// The input: Enter sends, Shift+Enter begins a new line, and the field grows with the text.

const MAX_LINES_PX = 220;

export class Composer {
  #parts;
  #send;
  #ready = false;

  /** `parts`: form, input, button. `send(text)` returns whether the text was taken; if not it stays in the field. */
  constructor(parts, send) {
    this.#parts = parts;
    this.#send = send;
    parts.input.addEventListener('keydown', (event) => {
      // 229: some browsers end an input method's composition with an Enter that is not marked as part of it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    });
    parts.input.addEventListener('input', () => this.#paint());
    parts.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#paint();
  }

  /** Whether sending makes sense now; the field stays usable anyway. */
  set ready(ready) {
    this.#ready = ready;
    this.#paint();
  }

  say(text) {
    this.#parts.input.value = text;
    this.#submit();
    this.#parts.input.focus();
  }

  #submit() {
    const text = this.#parts.input.value.trim();
    if (!text || !this.#send(text)) return;
    this.#parts.input.value = '';
    this.#paint();
  }

  #paint() {
    const { input, button } = this.#parts;
    button.setAttribute('aria-disabled', String(!this.#ready || !input.value.trim()));
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, MAX_LINES_PX)}px`;
  }
}
