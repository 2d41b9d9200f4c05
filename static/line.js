// The state of the line to the hub, in words, and the gate in front of a hub that wants a key.

const TRANSPORTS = { websocket: 'WebSocket', polling: 'HTTP long-polling', webtransport: 'WebTransport' };

export class Line {
  #parts;
  #last = { state: 'connecting', message: '' };
  #attempts = 0;

  /** `parts`: line, text, transport, gate, gateText, composer (elements of the page). */
  constructor(parts) {
    this.#parts = parts;
  }

  /** `change` is newage-client's {state, message}, told at each attempt, too. */
  show(change) {
    this.#attempts = change.state === 'reconnecting' ? this.#attempts + 1 : 0;
    this.#last = change;
    this.repaint();
  }

  /** How it goes: 'websocket' or 'polling', '' while it does not. */
  set transport(transport) {
    this.#parts.transport.textContent = transport ? (TRANSPORTS[transport] ?? transport) : '–';
  }

  /** Again with the same state: the browser went online or offline. */
  repaint() {
    const { state, message } = this.#last;
    const { line, text, gate, gateText, composer } = this.#parts;
    const refused = state === 'refused';
    line.dataset.state = state;
    setText(text, this.#words());
    line.title = this.#attempts > 1 ? `Attempt ${this.#attempts}` : ''; // not spoken: it would be, every few seconds
    gate.hidden = !refused;
    composer.hidden = refused;
    if (refused) gateText.textContent = `It said: ${message}`;
  }

  #words() {
    const { state } = this.#last;
    if (state === 'connected') return 'Connected';
    if (state === 'refused') return 'Refused';
    if (!navigator.onLine) return 'This device is offline';
    return state === 'connecting' ? 'Connecting…' : 'Reconnecting…';
  }
}

/** A status region speaks on every change of its text, so unchanged text is left alone. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
