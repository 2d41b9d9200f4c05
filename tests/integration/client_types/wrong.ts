// What the types have to refuse: each line after a mark is an error, or the mark is one.
import { type Answer, connect, type Hub, type Output, serve, type Task } from 'newage-client';
import * as lean from 'newage-client/connect';
import * as core from 'newage-client/core';

declare const hub: Hub;
declare const answer: Answer;
declare const output: Output;
declare const task: Task;

// @ts-expect-error a client says who it is
connect('http://localhost:4000', {});
// @ts-expect-error an address is a text
connect(4000, { clientId: 'my-app' });
// @ts-expect-error no such option
connect('', { clientId: 'my-app', token: 'k' });
// @ts-expect-error only Node has an io of its own
lean.connect('', { clientId: 'page' });
// @ts-expect-error neither
core.serve('', { clientId: 'SillyTavern-page' });
// @ts-expect-error who only asks does not serve
lean.serve('', {});
// @ts-expect-error a password is people's
serve('', { clientId: 'SillyTavern-1', password: 'secret' });

// @ts-expect-error a question is a text
hub.ask({ message: 'hello' });
// @ts-expect-error no such action
hub.ask('hello', { action: 'shout' });
// @ts-expect-error an answer is not its text
hub.ask('hello').trim();
// @ts-expect-error nor a promise of it
hub.ask('hello').then(() => {});
// @ts-expect-error what it says is read
answer.text = '';
// @ts-expect-error as is its state
output.state = 'ended';
// @ts-expect-error no such state
export const over = output.state === 'over';
// @ts-expect-error a piece is a text
answer.on('text', (piece: number) => piece);
// @ts-expect-error tokens are texts
for await (const token of answer) token.toFixed();

// @ts-expect-error a seq is a number
hub.history('club', { before: 'yesterday' });
// @ts-expect-error a room has a name
hub.join();
// @ts-expect-error no such access
hub.create('club', { access: 'secret' });
// @ts-expect-error what only the hub's side of it calls
hub.line.close();
// @ts-expect-error neither
answer.finish();

// @ts-expect-error in the chat or aside
task.accept('somewhere');
// @ts-expect-error two texts there are
task.output().push('Once', 'thought');
// @ts-expect-error a number of milliseconds
task.busy('soon');
