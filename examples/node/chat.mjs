// Ask one question and print the answer as it is written. Ctrl-C stops the answer; a lost line costs nothing of it.
//   node chat.mjs "Tell me a story"          HUB=http://127.0.0.1:4000  CLIENT_ID=my-terminal  KEY=...
import { connect } from 'newage-client';

const { HUB = 'http://127.0.0.1:4000', CLIENT_ID: clientId = 'node-example', KEY: key } = process.env;
const hub = connect(HUB, { clientId, key, type: 'terminal' }); // no key is needed on the hub's own machine
hub.on('state', ({ state, message }) => {
  if (message && state !== 'closed') console.error(`(${state}: ${message})`);
});

const answer = hub.ask(process.argv.slice(2).join(' ') || 'Hello!');
answer.on('status', () => {
  if (answer.waitsFor) console.error(`(waits for ${answer.waitsFor}: nobody answers yet)`);
});
process.once('SIGINT', () => answer.stop());

try {
  for await (const token of answer) process.stdout.write(token);
  process.stdout.write('\n');
} catch (failure) {
  console.error(failure.message);
  process.exitCode = 1;
}
hub.close();
