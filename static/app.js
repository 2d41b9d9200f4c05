// Builds the page's parts and joins them. What each does stands in its own module.

import * as constants from '/lib/constants.js';
import { io } from '/socket.io/socket.io.esm.min.js';

import { Announcer } from './announcer.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { Conversation } from './conversation.js';
import { Extensions, isDemo } from './extensions.js';
import { Identity, uuid } from './identity.js';
import { Line } from './line.js';
import { Transcript } from './transcript.js';

const SLOW_MS = 15_000; // after which a question that waits for its answer is said to wait

const part = (id) => document.getElementById(id);

function storage() {
  try {
    return window.localStorage;
  } catch {
    return null; // forbidden by the browser's settings
  }
}

let lineState = 'connecting';
let historyKnown = false; // before that an empty room is not known to be empty
const identity = new Identity(storage());
const room = identity.clientId; // the personal room is named like the identity, and that is the client id
const connection = new Connection(io, constants, identity);
const conversation = new Conversation(room);
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
const composer = new Composer({ form: part('composer'), input: part('input'), button: part('send') }, ask);

// ---- asking

function ask(text) {
  if (!connection.connected) {
    notify('Not connected to the hub at the moment. Your text stays here until it is.');
    return false;
  }
  part('notice').hidden = true;
  const requestId = uuid();
  conversation.ask(requestId, text);
  transcript.follow();
  void deliver(requestId, text, false);
  return true;
}

function askAgain(entry) {
  if (!connection.connected) {
    notify('Not connected to the hub at the moment.');
    return;
  }
  const requestId = uuid();
  // Only what the hub has stored can be asked again (contract A12); the rest is asked for the first time.
  const again = entry.messageId !== null;
  conversation.askAgain(entry, requestId);
  part('input').focus();
  void deliver(requestId, entry.text, again);
}

async function deliver(requestId, text, again) {
  try {
    const ack = await connection.ask({ requestId, text, roomName: room, target: extensions.target, again });
    if (ack?.status === 'error') conversation.refused(requestId, ack.message, ack.messageId);
    else conversation.accepted(requestId, ack ?? {});
  } catch {
    conversation.refused(requestId, 'The hub did not take this question; the line may have been cut.');
  }
}

// ---- what the hub says

const here = (detail) => detail.roomName === undefined || detail.roomName === room;
const onHub = (type, react) => connection.addEventListener(type, ({ detail }) => react(detail));

onHub('state', (state) => {
  const moved = state.state !== lineState;
  lineState = state.state;
  line.show(state);
  composer.ready = lineState === 'connected';
  if (!moved) return;
  if (lineState === 'connected') part('notice').hidden = true;
  if (lineState === 'refused') part('key').focus();
  paintWelcome();
});
onHub('joined', () => connection.askForHistory(room));
onHub('left', () => conversation.interrupted());
onHub('extensions', ({ list }) => extensions.show(list));
onHub('page', (page) => {
  if (!here(page)) return;
  conversation.page(page);
  historyKnown ||= page.isLastPage === true;
  paintWelcome();
});
onHub('stored', (event) => here(event) && conversation.stored(event.message, { live: true }));
onHub('deleted', (event) => here(event) && conversation.deleted(event.messageIds ?? []));
onHub('cleared', (event) => here(event) && conversation.cleared(event.clearedRequests, event.clearedResponses));
onHub('streamed', (chunk) => here(chunk) && conversation.streamed(chunk));
onHub('ended', (end) => here(end) && conversation.ended(end));
onHub('status', (status) => here(status) && conversation.status(status));
onHub('problem', ({ message, requestId }) => {
  if (!conversation.refused(requestId, message)) notify(message);
});

let slow = null; // counts from when a question waits for its answer

conversation.addEventListener('waiting', () => {
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
conversation.addEventListener('changed', ({ detail: { entry } }) => {
  if (entry.kind === 'mine' && entry.state === 'failed') announcer.fail(entry);
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
part('guide-address').textContent = `${window.location.protocol}//${window.location.hostname}`;
part('guide-port').textContent = window.location.port || (window.location.protocol === 'https:' ? '443' : '80');
part('suggestions').addEventListener('click', (event) => {
  if (event.target instanceof HTMLButtonElement) composer.say(event.target.textContent);
});
part('notice-close').addEventListener('click', () => {
  part('notice').hidden = true;
  part('input').focus();
});
part('panel-toggle').addEventListener('click', () => openPanel(!part('panel').hasAttribute('data-open')));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !part('panel').hasAttribute('data-open')) return;
  openPanel(false);
  part('panel-toggle').focus();
});
part('gate').addEventListener('submit', (event) => {
  event.preventDefault();
  identity.keepKey(part('key').value.trim());
  part('key').value = '';
  connection.retry();
  part('input').focus();
});
window.addEventListener('focus', () => void connection.askForExtensions());
for (const type of ['online', 'offline']) window.addEventListener(type, () => line.repaint());

paintWelcome();
connection.start();
