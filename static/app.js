// Builds the page's parts and joins them. What each does stands in its own module.

import { connect } from './lib/newage-client/connect.js';
import { io } from './socket.io/socket.io.esm.min.js';

import { Announcer } from './announcer.js';
import { Asking } from './asking.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { Extensions, isDemo } from './extensions.js';
import { History } from './history.js';
import { Identity } from './identity.js';
import { Line } from './line.js';
import { Transcript } from './transcript.js';
import { noteOf } from './words.js';

const BASE = new URL('.', import.meta.url); // below it the hub serves all of its own, behind a proxy's prefix, too
const SLOW_MS = 15_000; // after which a question that waits for its answer is said to wait
const REFUSALS = new Set([5, 6]); // errorCode: authentication failed, not authorised (contract 1.9)
const SPOKEN = new Set(['failed', 'expired', 'cancelled', 'queued', 'turn', 'extension', 'rerouted']); // states of a question
const UNSAID = 'The hub reported a problem and did not say which.';

const part = (id) => document.getElementById(id);

/** localStorage or sessionStorage */
function storage(name) {
  try {
    return window[name];
  } catch {
    return null; // forbidden by the browser's settings
  }
}

let lineState = 'connecting';
let historyKnown = false; // before that an empty room is not known to be empty
const identity = new Identity(storage('localStorage'));
const room = identity.clientId; // the personal room is named like the identity, and that is the client id
const hub = connect('', {
  io,
  clientId: identity.clientId,
  key: identity.key,
  type: 'web-app',
  desc: 'newage page',
  options: { path: `${BASE.pathname}socket.io` },
});
const conversation = new Conversation(room);
const asking = new Asking(hub, room, conversation, storage('sessionStorage'));
const history = new History(hub, room, conversation);
const announcer = new Announcer(part('announcer'));
const extensions = new Extensions({
  fieldset: part('extensions'),
  none: part('no-extensions'),
  template: part('extension-template'),
});
const transcript = new Transcript(
  conversation,
  {
    list: part('transcript'),
    scroller: part('scroller'),
    newest: part('newest'),
    thinking: part('thinking'),
    template: part('entry-template'),
  },
  askAgain,
);
const line = new Line({
  line: part('line'),
  text: part('line-text'),
  transport: part('transport'),
  gate: part('gate'),
  gateText: part('gate-text'),
  composer: part('composer'),
});
const composer = new Composer(
  { form: part('composer'), input: part('input'), button: part('send'), stop: part('stop'), stopHint: part('stop-hint') },
  ask,
  () => void stop(),
);

// ---- asking

function ask(text) {
  if (lineState !== 'connected') {
    notify('Not connected to the hub at the moment. Your text stays here until it is.');
    return false;
  }
  part('notice').hidden = true;
  asking.ask(text, extensions.target);
  transcript.follow();
  return true;
}

function askAgain(entry) {
  if (lineState !== 'connected') {
    notify('Not connected to the hub at the moment.');
    return;
  }
  asking.askAgain(entry, extensions.target);
  part('input').focus();
}

async function stop() {
  try {
    await asking.stop();
  } catch (failure) {
    notify(`Not stopped: ${failure.message}`);
  }
}

// ---- what the hub says

const here = ({ roomName }) => roomName === undefined || roomName === room;

/** Only what is of this page's room: another one may be this identity's, too. */
const onHub = (name, react) => hub.on(name, (said) => here(said) && react(said));

hub.on('state', (change) => {
  const moved = change.state !== lineState;
  lineState = change.state;
  line.show(change);
  line.transport = hub.transport;
  composer.ready = lineState === 'connected';
  if (!moved) return;
  if (lineState === 'connected') part('notice').hidden = true;
  if (lineState === 'refused') part('key').focus();
  paintWelcome();
});
hub.on('transport', (transport) => {
  line.transport = transport;
});
hub.on('up', () => {
  conversation.resumed();
  void readHistory();
  void showExtensions();
});
hub.on('down', () => conversation.interrupted());
hub.hear('/clients', 'UPDATE_CONNECTED_CLIENTS', () => void showExtensions());
onHub('output', (output) => conversation.follow(output));
onHub('message', ({ message }) => conversation.stored(message, { live: true }));
onHub('updated', ({ message }) => conversation.stored(message, { live: true }));
onHub('deleted', ({ messageIds }) => conversation.deleted(Array.isArray(messageIds) ? messageIds : []));
onHub('cleared', ({ clearedRequests, clearedResponses }) => conversation.cleared(clearedRequests, clearedResponses));
onHub('status', (status) => conversation.status(status));
onHub('queue', (place) => conversation.queued(place));
hub.on('problem', ({ message, requestId, errorCode }, namespace) => {
  if (namespace !== '/llm' || (lineState !== 'connected' && REFUSALS.has(errorCode))) return; // that one the gate says
  if (!conversation.refused(requestId, message)) notify(message || UNSAID);
});
hub.on('warning', ({ message }, namespace) => namespace === '/llm' && notify(message || UNSAID));

async function readHistory() {
  const whole = await history.read(() => {
    historyKnown = true;
    paintWelcome();
  });
  if (whole) void asking.recall();
}

/** A list that does not come is asked for again with the next push. */
async function showExtensions() {
  if (lineState !== 'connected') return;
  try {
    const list = await hub.extensions();
    extensions.show(list.map(({ identity: who, desc }) => ({ identity: String(who), desc: String(desc ?? '') })));
  } catch {
    // timed out or disconnected
  }
}

let slow = null; // counts from when a question waits for its answer

conversation.addEventListener('waiting', () => {
  composer.running = conversation.running.length > 0;
  if (conversation.waiting) {
    slow ??= setTimeout(() => {
      part('slow').hidden = false;
    }, SLOW_MS);
    return;
  }
  clearTimeout(slow);
  slow = null;
  part('slow').hidden = true;
});
conversation.addEventListener('finished', ({ detail: { entry } }) => announcer.say(entry));
conversation.addEventListener('unclaimed', ({ detail: { message } }) => notify(message));
conversation.addEventListener('changed', ({ detail: { entry } }) => {
  if (entry.kind === 'mine' && SPOKEN.has(entry.state)) announcer.state(entry, noteOf(entry, conversation.hasWordsFor(entry)));
});
for (const type of ['added', 'removed']) conversation.addEventListener(type, () => paintWelcome());
extensions.addEventListener('shown', () => paintWelcome());

// ---- the rest of the page

function notify(message) {
  part('notice-text').textContent = message;
  part('notice').hidden = false;
}

function paintWelcome() {
  const list = extensions.list;
  const alone = list !== null && list.length === 0;
  const refused = lineState === 'refused';
  const demo = list?.length === 1 && isDemo(list[0].identity);
  part('welcome').hidden = !historyKnown || refused || conversation.entries.length > 0;
  part('guide').hidden = !alone || refused;
  part('suggestions').hidden = list === null || alone;
  part('welcome-text').textContent =
    list === null
      ? 'Looking for somebody who can answer…'
      : alone
        ? 'The hub is up and listening.'
        : demo
          ? 'The built-in demo is listening: it answers token by token, and no model is involved.'
          : 'Your question goes through the hub to SillyTavern, and the answer comes back as it is written.';
}

function openPanel(open) {
  part('panel-toggle').setAttribute('aria-expanded', String(open));
  part('panel').toggleAttribute('data-open', open);
}

part('room-name').textContent = room;
part('gate-id').textContent = identity.clientId;
part('guide-install').textContent = `${BASE.href}newage-extension`;
part('guide-address').textContent = BASE.origin;
part('suggestions').addEventListener('click', (event) => {
  if (event.target instanceof HTMLButtonElement) composer.say(event.target.textContent);
});
part('notice-close').addEventListener('click', () => {
  part('notice').hidden = true;
  part('input').focus();
});
part('panel-toggle').addEventListener('click', () => openPanel(!part('panel').hasAttribute('data-open')));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.defaultPrevented || !part('panel').hasAttribute('data-open')) return;
  openPanel(false);
  part('panel-toggle').focus();
});
part('gate').addEventListener('submit', (event) => {
  event.preventDefault();
  identity.keepKey(part('key').value.trim());
  part('key').value = '';
  hub.retry({ key: identity.key });
  part('input').focus();
});
window.addEventListener('focus', () => void showExtensions());
for (const type of ['online', 'offline']) window.addEventListener(type, () => line.repaint());

paintWelcome();
