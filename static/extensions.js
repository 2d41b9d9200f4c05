// The extensions that can answer, and which of them is asked.

const DEMO = 'SillyTavern-demo';

export const isDemo = (identity) => identity === DEMO;

export class Extensions extends EventTarget {
  #parts;
  #chosen = '';
  list = null; // not known yet

  /** `parts`: fieldset, none, template (elements of the page). */
  constructor(parts) {
    super();
    this.#parts = parts;
    parts.fieldset.addEventListener('change', (event) => {
      this.#chosen = event.target.value;
    });
  }

  /** Who is asked; '' leaves it to the hub. */
  get target() {
    return this.list?.some(({ identity }) => identity === this.#chosen) ? this.#chosen : '';
  }

  show(list) {
    this.list = list;
    const { fieldset, none } = this.#parts;
    const focused = fieldset.contains(document.activeElement) ? document.activeElement.value : null;
    fieldset.hidden = list.length === 0;
    none.hidden = list.length > 0;
    const any = { identity: '', desc: 'The hub chooses' };
    const shown = list.length > 1 ? [any, ...list] : list;
    fieldset.replaceChildren(...shown.map((extension) => this.#option(extension, list.length === 1)));
    if (focused !== null) fieldset.querySelector('input:checked')?.focus();
    this.dispatchEvent(new Event('shown'));
  }

  #option({ identity, desc }, single) {
    const label = this.#parts.template.content.firstElementChild.cloneNode(true);
    const input = label.querySelector('input');
    input.value = identity;
    input.checked = single || identity === this.target;
    input.hidden = single; // nothing to choose
    label.toggleAttribute('data-single', single);
    label.querySelector('.extension-name').textContent = identity || 'Any';
    label.querySelector('.badge').hidden = !isDemo(identity);
    label.querySelector('.extension-desc').textContent = desc;
    return label;
  }
}
