// @ts-check
// The text box of the desk: what is half typed there is neither sent nor lost.

const BOX = 'send_textarea';

export class Box {
  /** @type {HTMLTextAreaElement | null} */
  #cover = null;

  /** What is half typed. */
  get typed() {
    const boxes = /** @type {NodeListOf<HTMLTextAreaElement>} */ (document.querySelectorAll(`#${BOX}`));
    return String(boxes[boxes.length - 1]?.value ?? '');
  }

  /**
   * What is half typed stays, and whoever asks the page for it finds an empty box: SillyTavern would send it, run it as a
   * command, or put it in the place of `{{input}}`.
   */
  cover() {
    const box = document.getElementById(BOX);
    if (!box || this.#cover) return;
    const cover = document.createElement('textarea');
    cover.id = BOX; // of two alike the first one is found
    cover.hidden = true;
    cover.style.setProperty('display', 'none', 'important');
    box.before(cover);
    this.#cover = cover;
  }

  uncover() {
    const cover = this.#cover;
    if (!cover) return;
    this.#cover = null;
    cover.remove();
    const box = /** @type {HTMLTextAreaElement | null} */ (document.getElementById(BOX));
    if (!box) return;
    box.value += cover.value; // of an extension that dictates
    box.dispatchEvent(new Event('input', { bubbles: true })); // SillyTavern keeps what is typed for a reload
  }
}
