// The input: Enter sends, Shift+Enter begins a new line, Escape stops an answer, and the field grows with the text.

const MAX_LINES_PX = 220;

export class Composer {
  #parts;
  #send;
  #stop;
  #ready = false;

  /**
   * `parts`: form, input, button, stop, stopHint. `send(text)` returns whether the text was taken; if not it stays in the
   * field. `stop()` is for what is being answered.
   */
  constructor(parts, send, stop) {
    this.#parts = parts;
    this.#send = send;
    this.#stop = stop;
    parts.input.addEventListener('keydown', (event) => {
      // 229: some browsers end an input method's composition with an Enter that is not marked as part of it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#submit();
    });
    parts.form.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.isComposing || event.keyCode === 229 || parts.stop.hidden) return;
      event.preventDefault();
      this.#stop();
    });
    parts.stop.addEventListener('click', () => this.#stop());
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

  /** Whether there is something to stop. */
  set running(running) {
    const { stop, stopHint, input } = this.#parts;
    const typed = matchMedia('(any-hover: hover)').matches; // else the focus would bring up a keyboard
    if (!running && typed && document.activeElement === stop) input.focus();
    stop.hidden = !running;
    stopHint.hidden = !running;
  }

  /** Words that are offered: sent, or put into the field if that is empty. */
  say(text) {
    const { input } = this.#parts;
    if (!this.#send(text) && !input.value.trim()) input.value = text;
    this.#paint();
    input.focus();
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
    const border = input.offsetHeight - input.clientHeight;
    input.style.height = `${Math.min(input.scrollHeight + border, MAX_LINES_PX)}px`;
  }
}
