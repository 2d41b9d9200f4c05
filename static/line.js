// The state of the line to the hub, in words, and the gate in front of a hub that wants a key.

const TRANSPORTS = { websocket: 'WebSocket', polling: 'HTTP long-polling', webtransport: 'WebTransport' };

export class Line {
  #parts;
  #last = { state: 'connecting', message: '', attempt: 0, transport: '' };

  /** `parts`: line, text, transport, gate, gateText, composer (elements of the page). */
  constructor(parts) {
    this.#parts = parts;
  }

  show(state) {
    this.#last = state;
    this.repaint();
  }

  /** Again with the same state: the browser went online or offline. */
  repaint() {
    const { state, message, attempt, transport } = this.#last;
    const { line, text, gate, gateText, composer } = this.#parts;
    const refused = state === 'refused';
    line.dataset.state = state;
    setText(text, this.#words());
    line.title = attempt > 1 ? `Attempt ${attempt}` : ''; // not spoken: it would be, every few seconds
    this.#parts.transport.textContent = state === 'connected' ? (TRANSPORTS[transport] ?? transport) : '–';
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
