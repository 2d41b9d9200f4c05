// The hub serves socket.io's client and its own: no build, no CDN.
import { io } from '/socket.io/socket.io.esm.min.js';
import { connect } from '/lib/newage-client/connect.js';

const [state, talk, form, words, stop] = ['state', 'talk', 'ask', 'words', 'stop'].map((id) => document.getElementById(id));

// One id per browser, so that the hub finds its room again.
const clientId = (localStorage.clientId ??= `page-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`);
const hub = connect('', { io, clientId, type: 'web-page' });

hub.on('state', ({ state: now, message }) => {
  state.textContent = now === 'connected' ? `connected as ${clientId}` : `${now} … ${message}`;
});

// Always textContent: what people and models say is text, never markup.
function paragraph(className, text = '', before = null) {
  const made = document.createElement('p');
  made.className = className;
  made.textContent = text;
  talk.insertBefore(made, before);
  return made;
}

const shown = new Set(); // answers, by outputId
let asked = ''; // what the button stops

// Every answer of one's room, also one that was begun before this page was loaded.
hub.on('output', (output) => {
  if (shown.has(output.outputId)) return;
  shown.add(output.outputId);
  const answer = paragraph('answer', output.text);
  output.on('text', (piece) => answer.append(piece));
  output.on('reset', () => answer.replaceChildren(output.text));
  if (output.state !== 'live') return;
  busy(output.requestId);
  output.on('end', () => over(output.requestId));
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const message = words.value.trim();
  if (!message) return;
  words.value = '';
  paragraph('you', message);
  const answer = hub.ask(message);
  busy(answer.requestId);
  await answer.done.catch((failure) => paragraph('error', failure.message));
  over(answer.requestId);
});

stop.addEventListener('click', () => hub.stop(asked).catch((failure) => paragraph('error', failure.message)));

function busy(requestId) {
  asked = requestId;
  stop.hidden = false;
}

function over(requestId) {
  if (requestId === asked) stop.hidden = true;
}

// What was said before.
try {
  const { messages } = await hub.history('', { limit: 50 });
  const first = talk.firstChild;
  for (const message of messages) {
    if (message.isResponse && shown.has(message.outputId)) continue;
    if (message.isResponse) shown.add(message.outputId);
    paragraph(message.fromClient ? 'you' : 'answer', message.message, first);
  }
} catch (failure) {
  paragraph('error', failure.message);
}
