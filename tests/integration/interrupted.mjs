// node interrupted.mjs HUB PROGRAM: interrupt the example in mid-answer. Prints what it said, why the extension stopped, how it ended.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { io } from 'socket.io-client';
import { serve } from '../../clients/js/index.js';

const [hub, program] = process.argv.slice(2);
const me = serve(hub, { io, clientId: 'SillyTavern-slow', features: ['accept', 'cancel', 'resume'] });
let reason = '';
me.on('request', (task) => {
  const output = task.output();
  task.signal.addEventListener('abort', () => {
    reason = task.signal.reason;
    output.end();
  });
  output.push('Once');
});
await new Promise((up) => { me.on('up', up); });

const asker = spawn(process.execPath, [program, 'Hello?'], { stdio: ['ignore', 'pipe', 'inherit'] });
let said = '';
asker.stdout.on('data', (piece) => {
  if (!said) asker.kill('SIGINT');
  said += piece;
});
const [code] = await once(asker, 'close');
me.close();
console.log(said, reason, code);
