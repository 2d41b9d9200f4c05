// The same question without newage-client: any Socket.IO client can ask (docs/api.md). What a cut line loses is lost.
//   node raw.mjs "Tell me a story"          HUB=http://127.0.0.1:4000  CLIENT_ID=my-terminal  KEY=...
import { randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';

const { HUB = 'http://127.0.0.1:4000', CLIENT_ID: clientId = 'node-example', KEY: key } = process.env;
const requestId = randomUUID();
const socket = io(`${HUB}/llm`, { auth: { clientId, clientType: 'terminal', key, streamMode: 'plain', sync: 'incremental' } });

function leave(code, words) {
  if (words) console.error(words);
  process.exitCode = code;
  socket.disconnect();
}

socket.once('connect', async () => {
  const message = process.argv.slice(2).join(' ') || 'Hello!';
  const ack = await socket.timeout(10_000).emitWithAck('LLM_REQUEST', { requestId, message });
  if (ack.status !== 'ok') leave(1, ack.message);
});
socket.on('SERVER_STREAM_DATA', (chunk) => {
  if (chunk.requestId === requestId) process.stdout.write(chunk.data);
});
socket.on('message', (answer) => {
  if (answer.requestId === requestId) process.stdout.write(answer.data); // an answer in one piece
});
socket.on('REQUEST_STATUS_UPDATE', (update) => {
  if (update.requestId !== requestId) return;
  if (update.status === 'completed') leave(0, '\n');
  if (update.status === 'failed' || update.status === 'expired') leave(1, update.message ?? update.status);
});
socket.on('ERROR', (error) => leave(1, error.message)); // a refusal: the hub disconnects the namespace after it
socket.on('connect_error', (error) => console.error(`no hub at ${HUB}: ${error.message}; trying again`));
