// The sockets of this page: one engine, the namespaces /auth, /clients and /llm, and what they say as events.
// 'state' {state, message, attempt, transport}, 'extensions' {list}, 'problem' {message, requestId?}, and the hub's own
// events under the names that hubEvents gives them. No DOM in here.

const ACK_MS = 15_000; // an answer of the hub to a request, not of the model
const REJOIN_MS = 1_000; // before joining again a namespace the hub closed, doubled each time
const REJOIN_MAX_MS = 15_000;
const REFUSED_WITHIN_MS = 2_000; // of joining: the hub refuses right after its CONNECT reply (contract 2.5)
const REFUSALS = new Set([5, 6]); // errorCode: authentication failed, not authorised (contract 1.9)

/** Wire event to the name it has here. */
const hubEvents = (names) => ({
  [names.NEW_MESSAGE]: 'stored',
  [names.MESSAGE_UPDATED]: 'stored',
  [names.MESSAGES_DELETED]: 'deleted',
  [names.MESSAGES_CLEARED]: 'cleared',
  [names.UPDATE_CONTEXT_PAGE]: 'page',
  [names.REQUEST_STATUS_UPDATE]: 'status',
  SERVER_STREAM_DATA: 'streamed',
  SERVER_STREAM_END: 'ended',
});

export class Connection extends EventTarget {
  #io;
  #names;
  #namespaces;
  #identity;
  #sockets = [];
  #refusal = null;
  #joinedAt = 0;
  #rejoin = { timer: null, delay: REJOIN_MS };
  #state = { state: 'connecting', message: '', attempt: 0, transport: '' };

  /**
   * `io` is socket.io's; `constants` holds MSG_TYPE and NAMESPACES as /lib/constants.js does; `identity` says who we are.
   */
  constructor(io, { MSG_TYPE, NAMESPACES }, identity) {
    super();
    this.#io = io;
    this.#names = MSG_TYPE;
    this.#namespaces = NAMESPACES;
    this.#identity = identity;
  }

  get connected() {
    return this.#state.state === 'connected';
  }

  start() {
    const llm = this.#open(this.#namespaces.LLM);
    const auth = this.#open(this.#namespaces.AUTH);
    const clients = this.#open(this.#namespaces.CLIENTS);
    this.#sockets = [llm, auth, clients];
    this.#followLine(llm);
    for (const [event, name] of Object.entries(hubEvents(this.#names))) {
      llm.on(event, (payload) => payload && typeof payload === 'object' && this.#tell(name, payload));
    }
    for (const socket of [llm, auth, clients]) {
      socket.on(this.#names.ERROR, (error) => this.#problem(socket, error));
    }
    llm.on(this.#names.WARNING, (warning) => this.#tell('problem', { message: messageOf(warning) }));
    // One namespace shows the key; the others follow when the hub has let us in (askForHistory): a wrong key is shown once.
    llm.on('disconnect', () => {
      for (const socket of [auth, clients]) socket.disconnect();
    });
    auth.on('connect', () => this.askForExtensions());
    clients.on(this.#names.UPDATE_CONNECTED_CLIENTS, () => this.askForExtensions());
    llm.connect();
  }

  /** Join again after a refusal, perhaps with a key now. */
  retry() {
    this.#become({ state: 'connecting', message: '' });
    for (const socket of this.#sockets) socket.auth = this.#handshake();
    if (!this.#sockets[0].connected) this.#sockets[0].connect();
  }

  /** Tells 'extensions'; an answer that does not come is asked for again with the next push. */
  async askForExtensions() {
    const auth = this.#sockets[1];
    if (!auth?.connected) return;
    try {
      const ack = await auth.timeout(ACK_MS).emitWithAck(this.#names.GET_SILLYTAVERN_EXTENSION, {});
      const described = new Map((ack.details ?? []).map((detail) => [detail.identity, detail]));
      const list = (Array.isArray(ack.extensions) ? ack.extensions : []).map((identity) => ({
        identity: String(identity),
        desc: String(described.get(identity)?.desc ?? ''),
      }));
      this.#tell('extensions', { list });
    } catch {
      // timed out or disconnected
    }
  }

  /** The room's history, as 'page' events. The hub answers nothing of whom it refused: what answers, has let us in. */
  async askForHistory(roomName) {
    const [llm, ...others] = this.#sockets;
    try {
      await llm.timeout(ACK_MS).emitWithAck(this.#names.GET_FULL_CONTEXT, { roomName });
    } catch {
      // no answer in time, or the line was cut
    }
    if (!llm.connected) return;
    for (const socket of others) if (!socket.connected) socket.connect();
  }

  /** Resolves with the hub's ack, whatever it says; rejects when none comes. */
  ask({ requestId, text, roomName, target, again = false }) {
    return this.#sockets[0].timeout(ACK_MS).emitWithAck(this.#names.LLM_REQUEST, {
      requestId,
      message: text,
      targetRoom: roomName,
      requestType: again ? 'regenerateMessage' : 'newMessage',
      isStreaming: true,
      ...(target ? { target } : {}),
    });
  }

  // ---- inside

  #handshake() {
    return {
      clientType: 'web-app',
      clientId: this.#identity.clientId,
      desc: 'newage page',
      streamMode: 'plain',
      sync: 'incremental',
      ...(this.#identity.key ? { key: this.#identity.key } : {}),
    };
  }

  #open(namespace) {
    return this.#io(namespace, { auth: this.#handshake(), autoConnect: false });
  }

  #followLine(llm) {
    llm.on('connect', () => {
      this.#refusal = null;
      this.#joinedAt = performance.now();
      this.#become({ state: 'connected', message: '', attempt: 0, transport: llm.io.engine.transport.name });
      llm.io.engine.once('upgrade', (transport) => this.#become({ transport: transport.name }));
      this.#tell('joined', {});
    });
    llm.on('connect_error', (error) => {
      if (llm.active) this.#become({ state: this.#isFresh() ? 'connecting' : 'reconnecting' });
      else this.#become({ state: 'refused', message: error.message });
    });
    llm.on('disconnect', (reason) => {
      this.#tell('left', {});
      if (reason !== 'io server disconnect') this.#become({ state: 'reconnecting', attempt: 0 });
      else if (this.#refusal) this.#become({ state: 'refused', message: this.#refusal });
      else this.#rejoinLater();
    });
    llm.io.on('reconnect_attempt', (attempt) => {
      this.#become({ state: this.#isFresh() ? 'connecting' : 'reconnecting', attempt });
    });
    llm.io.on('reconnect', () => {
      this.#rejoin.delay = REJOIN_MS;
    });
  }

  #isFresh() {
    return this.#state.state === 'connecting';
  }

  /** The hub closed the namespace without a refusal (it is stopping, say): the library would leave it at that. */
  #rejoinLater() {
    this.#become({ state: 'reconnecting', attempt: 0 });
    clearTimeout(this.#rejoin.timer);
    this.#rejoin.timer = setTimeout(() => {
      if (!this.#sockets[0].connected) this.#sockets[0].connect();
    }, this.#rejoin.delay);
    this.#rejoin.delay = Math.min(this.#rejoin.delay * 2, REJOIN_MAX_MS);
  }

  #problem(socket, error) {
    const message = messageOf(error);
    if (socket !== this.#sockets[0]) return;
    const early = performance.now() - this.#joinedAt < REFUSED_WITHIN_MS;
    if (early && REFUSALS.has(error?.errorCode) && error.requestId === undefined) this.#refusal = message;
    else this.#tell('problem', { message, requestId: error?.requestId });
  }

  #become(change) {
    this.#state = { ...this.#state, ...change };
    this.#tell('state', this.#state);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function messageOf(payload) {
  const message = payload?.message ?? payload?.error?.message;
  return typeof message === 'string' && message ? message : 'The hub reported a problem and did not say which.';
}
