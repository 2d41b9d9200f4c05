// All of the package in use, as clients/js/README.md and docs/javascript.md tell it: compiled, not run.
import {
  Answer, connect, Extension, Failure, Hub, Outlet, Output, serve, Task,
  type Character, type HowToAsk, type HowToConnect, type HowToServe, type Kind, type Member, type Message, type Missed, type Page,
  type Place, type Room, type Standing, type State, type StateChange, type Status, type Unlisten, type Waiting, type WaitsFor,
} from 'newage-client';
import * as lean from 'newage-client/connect';
import * as core from 'newage-client/core';
import { io } from 'socket.io-client';

declare const print: (text: string) => void;

export async function asking(signal: AbortSignal): Promise<void> {
  const how: HowToConnect = { clientId: 'my-app', key: 'k', identity: 'my-app-2', name: 'Ann', desc: 'An app', type: 'bot', options: { path: '/hub' } };
  const hub: Hub = connect('http://localhost:4000', how);
  connect('http://localhost:4000', { clientId: 'my-app', password: 'secret', io });
  const same: Hub = await hub.ready;
  print([same.clientId, hub.identity, hub.transport].join());

  const forget: Unlisten = hub.on('state', ({ state, message, code }: StateChange) => print(`${state} ${message} ${code ?? ''}`));
  forget();
  hub.on('output', (output) => print(output.identity));
  hub.on('status', (said: Status) => print(said.status + (said.to ?? '')));
  hub.on('queue', (said: Place) => print(`${said.position} of ${said.of}`));
  hub.on('message', (said) => print(said.message.text));
  const state: State = hub.state;
  print(state);

  const asked: HowToAsk = {
    room: 'club', target: ['SillyTavern-1'], action: 'regenerate', messageId: 'm', character: 'Seraphina', failover: true, requestId: 'r', signal,
    generation: { temperature: 1 },
  };
  const answer: Answer = hub.ask('Tell me a story', asked);
  for await (const token of answer) print(token);
  const waitsFor: WaitsFor | '' = answer.waitsFor;
  print([answer.requestId, answer.room, answer.questionId, answer.state, waitsFor, answer.position.toFixed(), answer.text, answer.reasoning].join());
  answer.on('text', (piece, output) => print(piece + output.text));
  answer.on('reasoning', (piece) => print(piece));
  answer.on('reset', (kind: Kind, at, output) => print(kind + at.toFixed() + output.outputId));
  answer.on('output', (output: Output) => print(output.character?.name ?? output.identity));
  answer.on('status', (said) => print(`${said.status ?? said.state} ${said.waitsFor ?? ''}`));
  answer.on('end', () => print(answer.over ? 'over' : ''));
  const stopped = await answer.stop();
  print(stopped.state + stopped.outputs.length.toFixed());
  const whole: Answer = await answer.done;
  const [first] = whole.outputs;
  if (first) {
    const character: Character | null = first.character;
    print([first.requestId, first.questionId, first.roomName, first.requester, first.action, character?.avatar, first.state, first.messageId].join());
    print([first.partial, first.stored, first.finishReason, first.text, first.reasoning].join());
    first.on('text', (piece) => print(piece));
    first.on('reset', (kind, at) => print(kind + at.toFixed()));
    first.on('end', () => print(first.state));
  }
  print(whole.messageIds.join());
  const failure: Failure | null = answer.failure;
  if (failure) print([failure.code, failure.word, failure.message, String(failure.body), failure.lost].join());
  print(Failure.of({ message: 'no', errorCode: 5 }).message + new Failure('no', { code: 'timeout', word: 'W', body: 1 }).name);

  const waiting: Waiting[] = await hub.queue('club');
  print(waiting.map((each) => each.name ?? each.identity).join());
  await hub.submit('club', { requestId: 'r2', signal }).done;
  await hub.stop('r');
  const standings: Standing[] = await hub.standings(['r']);
  print(standings.map((each) => each.requestId + each.status + String(each.live) + (each.message ?? '') + String(each.errorCode)).join());
  print((await hub.extensions()).map((each) => each.identity).join());
  print(hub.outputs.map((each) => each.outputId).join());

  const rooms: Room[] = await hub.rooms();
  await hub.create('club', { access: 'invited' });
  await hub.join(rooms[0]?.name ?? 'club');
  const members: Member[] = await hub.members('club');
  print(members.map((member) => `${member.name ?? member.clientId} ${member.role}`).join());
  const said: boolean = hub.typing('club');
  hub.typing('club', !said);
  const page: Page = await hub.history('club', { before: 7, limit: 10 });
  print(`${page.hasMore} ${page.seq}`);
  for await (const messages of hub.pages('club', { limit: 10 })) print(messages.map((message: Message) => message.messageId).join());
  const missed: Missed = await hub.missed('club', { since: 5 });
  await hub.missed('club', { since: missed.nextSince, limit: 10 });
  await hub.edit('club', 'm', 'Better');
  await hub.edit('club', 'm', { message: 'Better', mood: 'good' });
  await hub.delete('club', ['m']);
  await hub.leave('club');
  await hub.call('/rooms', 'KICK_MEMBER', { roomName: 'club', identity: 'bob' }, { timeoutMs: 5_000 });
  hub.hear('/debug', 'DEBUG_MODE_CHANGED', (payload) => print(String(payload)));
  hub.retry({ key: 'another' });
  hub.close();
}

export function answering(): Extension {
  const how: HowToServe = {
    clientId: 'SillyTavern-8000', key: 'k', pair: '123456', features: ['accept', 'cancel', 'resume'], capacity: 2, exclusive: true, instance: 'tab',
    html: '<b>me</b>', keep: async ({ key, clientId, scope }) => print(key + clientId + scope),
  };
  const me: Extension = serve('http://localhost:4000', how);
  me.on('request', async (task: Task) => {
    task.accept('headless', 1);
    task.signal.addEventListener('abort', () => print(String(task.signal.reason)));
    if (me.tasks.length > 2) return task.busy(2_000, 'desk');
    const output: Outlet = task.output({ action: 'swipe', character: { id: 'c', name: 'Seraphina' }, outputId: 'o' });
    output.push('Once', 'reasoning');
    output.show('Once upon', 'text');
    output.reset(4);
    output.end({ more: true, finishReason: 'stop', extra: { model: 'm' } });
    print([task.requestId, task.room, task.action, task.done, task.said.message, output.outputId, output.text, output.reasoning, output.over].join());
    if (!task.outlets.length) task.fail('No words came.');
    task.end();
  });
  me.on('state', ({ state }) => print(state));
  me.answer('LIST_CHARACTERS', () => ({ characters: [] }));
  me.call('SET_CHAT_ROOM', { roomName: 'club' }, { namespace: '/llm', timeoutMs: 5_000 }).catch((failure: Failure) => print(failure.message));
  const said: boolean = me.say('CHAT_EVENT', {});
  print([me.clientId, me.instance, me.state, said].join());
  me.retry({ key: 'another', pair: '654321' });
  me.close();
  return me;
}

export const pages: Hub[] = [lean.connect('', { io, clientId: 'page' }), core.connect('', { io, clientId: 'page' })];
export const served: Extension = core.serve('', { io, clientId: 'SillyTavern-page' });
export const failed: typeof Failure = lean.Failure;
