// Types of index.js: all of newage-client, without socket.io-client. What each thing does is said where it is written, in lib/.

export type Unlisten = () => void;
export type Kind = 'text' | 'reasoning';
export type State = 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'replaced' | 'closed';
export interface StateChange { state: State; message: string; code?: number | string }
export interface Character { id: string; name: string; avatar?: string }

/** `code` is the hub's errorCode, or 'timeout', 'disconnected', 'closed', 'gone', 'unknown'. */
export class Failure extends Error {
  constructor(message: string, known?: { code?: number | string; word?: string; body?: any });
  static of(body: any): Failure;
  code: number | string;
  word: string;
  body: any;
  readonly lost: boolean;
}

/** Told by name; "on" returns what takes the listener away again. */
declare class Emitter {
  on(name: string, listener: (...args: any[]) => void): Unlisten;
}

/** socket.io-client's `io` */
export type Io = (...args: any[]) => any;

export interface HowToReach {
  clientId: string;
  key?: string;
  /** begins with the clientId */
  identity?: string;
  name?: string;
  desc?: string;
  /** what is declared as clientType */
  type?: string;
  /** of socket.io-client: path, transports, extraHeaders, ... */
  options?: Record<string, any>;
}

export interface HowToConnect extends HowToReach {
  /** instead of a key, where the hub knows one */
  password?: string;
}

export interface WithIo {
  io: Io;
}

export interface HowToAsk {
  /** one's own by default */
  room?: string;
  /** identities of extensions; those of the room by default */
  target?: string | string[];
  action?: 'newMessage' | 'regenerate' | 'swipe' | 'continue' | 'impersonate';
  /** the question or answer that is acted on */
  messageId?: string;
  character?: string;
  failover?: boolean;
  requestId?: string;
  signal?: AbortSignal;
  [passedOn: string]: any;
}

export type WaitsFor = 'host' | 'turn' | 'extension';

/** QUEUE_UPDATE: where a request that waits stands of `of`; 1 is next */
export interface Place {
  requestId: string;
  roomName: string;
  waitsFor: WaitsFor;
  position: number;
  of: number;
  /** which one it waits for */
  extension?: string;
}

/** A message of a room's history; docs/wire.md 5.7 has all of its members */
export interface Message {
  messageId: string;
  roomName: string;
  /** its place in the room: 1 is the oldest */
  seq: number;
  /** who said it */
  identity: string;
  clientId: string;
  /** of a person, where one is known */
  name?: string;
  /** what was said */
  message: any;
  /** ISO 8601 */
  timestamp: string;
  fromClient: boolean;
  fromLlm: boolean;
  isResponse?: boolean;
  requestId?: string;
  /** of an answer */
  questionId?: string;
  outputId?: string;
  reasoning?: string;
  character?: Character;
  partial?: boolean;
  [more: string]: any;
}

/** GET_CLIENTS_IN_ROOM */
export interface Member {
  identity: string;
  clientId: string;
  name?: string;
  role: string;
  online: boolean;
  muted: boolean;
  [more: string]: any;
}

/** GET_ROOMS */
export interface Room {
  name: string;
  roomId: string;
  mode: string;
  master: string | null;
  memberCount: number;
  access: 'open' | 'invited';
  [more: string]: any;
}

/** What is missed of a room, and where to go on: `missed(room, { since: nextSince })` */
export interface Missed {
  messages: Message[];
  count: number;
  hasMore: boolean;
  nextSince: number;
  [more: string]: any;
}

/** GET_QUEUE: what waits in a room */
export interface Waiting {
  requestId: string;
  identity: string;
  name: string | null;
  messageId: string | null;
  since: string;
  waitsFor: WaitsFor;
  position: number;
}

/** REQUEST_STATUS_UPDATE */
export interface Status {
  requestId: string;
  roomName: string;
  mode: string;
  status:
    | 'queued' | 'forwarded' | 'accepted' | 'rerouted' | 'merged' | 'processing'
    | 'completed' | 'failed' | 'expired' | 'cancelled' | 'ignored' | 'recorded';
  message?: string;
  responseId?: string;
  /** of 'queued' */
  waitsFor?: WaitsFor;
  /** of 'queued', and of 'accepted' in the extension's own queue */
  position?: number;
  /** of 'accepted' */
  where?: 'chat' | 'headless';
  /** of 'rerouted': the extension that could not begin */
  from?: string;
  /** of 'rerouted': the one that is asked instead */
  to?: string;
  /** of 'merged' */
  mergedInto?: string;
  /** of 'processing': answers that are still to come */
  remaining?: number;
  /** of 'cancelled' */
  by?: string;
}

/** Where a request stands, for who was away; 'gone': the hub knows it no more */
export interface Standing extends Partial<Omit<Status, 'requestId' | 'status'>> {
  requestId: string;
  status: Status['status'] | 'gone';
  live: boolean;
  /** who is to answer it now */
  targets?: string[];
  /** of 'failed' and 'expired' */
  errorCode?: number;
  code?: number;
}

export class Output extends Emitter {
  readonly outputId: string;
  readonly requestId: string;
  readonly questionId: string;
  readonly roomName: string;
  readonly identity: string;
  readonly requester: string;
  readonly action: string;
  readonly character: Character | null;
  readonly state: 'live' | 'ended' | 'failed' | 'cancelled' | 'gone';
  readonly messageId: string;
  readonly partial: boolean;
  readonly stored: boolean;
  readonly finishReason: string;
  readonly text: string;
  readonly reasoning: string;
  on(name: Kind, listener: (piece: string) => void): Unlisten;
  on(name: 'reset', listener: (kind: Kind, at: number) => void): Unlisten;
  on(name: 'end', listener: () => void): Unlisten;
}

export class Answer extends Emitter implements AsyncIterable<string> {
  readonly requestId: string;
  readonly room: string;
  readonly questionId: string;
  readonly state: string;
  readonly waitsFor: WaitsFor | '';
  readonly position: number;
  readonly over: boolean;
  readonly failure: Failure | null;
  readonly outputs: Output[];
  readonly text: string;
  readonly reasoning: string;
  readonly messageIds: string[];
  readonly done: Promise<Answer>;
  stop(): Promise<{ requestId: string; state: string; outputs: string[] }>;
  [Symbol.asyncIterator](): AsyncGenerator<string, void, void>;
  on(name: Kind, listener: (piece: string, output: Output) => void): Unlisten;
  on(name: 'reset', listener: (kind: Kind, at: number, output: Output) => void): Unlisten;
  on(name: 'output', listener: (output: Output) => void): Unlisten;
  /** also the ack of the request, which has `state` for `status` */
  on(name: 'status', listener: (said: Partial<Status & Place> & { state?: string }) => void): Unlisten;
  on(name: 'end', listener: () => void): Unlisten;
}

export interface Page { messages: Message[]; hasMore: boolean; seq: number }

export class Hub extends Emitter {
  readonly clientId: string;
  readonly identity: string;
  readonly state: State;
  readonly ready: Promise<Hub>;
  /** 'websocket' or 'polling'; '' while the line is down */
  readonly transport: string;
  readonly outputs: Output[];
  /** by its id, of what has no `Answer` here; staff names who asked */
  stop(requestId: string, requester?: string): Promise<any>;
  /** where requests of one's own stand that have no `Answer` here */
  standings(requestIds: string[]): Promise<Standing[]>;
  extensions(): Promise<{ identity: string; desc?: string; [more: string]: any }[]>;
  ask(text: string, how?: HowToAsk): Answer;
  /** what waits in a room, one's own by default */
  queue(room?: string): Promise<Waiting[]>;
  /** releases what waits for the host of a room, without words of one's own */
  submit(room?: string, how?: { requestId?: string; signal?: AbortSignal }): Answer;
  rooms(): Promise<Room[]>;
  create(roomName: string, how?: { access?: 'open' | 'invited' }): Promise<any>;
  join(roomName: string): Promise<any>;
  leave(roomName: string): Promise<any>;
  members(roomName: string): Promise<Member[]>;
  typing(roomName: string, typing?: boolean): boolean;
  history(room?: string, how?: { before?: number; limit?: number }): Promise<Page>;
  pages(room?: string, how?: { limit?: number }): AsyncGenerator<Message[], void, void>;
  missed(room?: string, how?: { since?: number | string; limit?: number }): Promise<Missed>;
  edit(roomName: string, messageId: string, updatedFields: string | Record<string, any>): Promise<any>;
  delete(roomName: string, messageIds: string | string[]): Promise<any>;
  call(namespace: string, event: string, payload?: any, how?: { timeoutMs?: number }): Promise<any>;
  hear(namespace: string, event: string, heard: (payload: any) => void): void;
  retry(credentials?: { key?: string; password?: string }): void;
  close(): void;
  on(name: 'state', listener: (change: StateChange) => void): Unlisten;
  /** the line goes another way now: 'websocket' after 'polling' */
  on(name: 'transport', listener: (transport: string) => void): Unlisten;
  on(name: 'output', listener: (output: Output) => void): Unlisten;
  on(name: 'status', listener: (said: Status) => void): Unlisten;
  on(name: 'queue', listener: (said: Place) => void): Unlisten;
  on(name: string, listener: (...args: any[]) => void): Unlisten;
}

export interface HowToServe extends HowToReach {
  /** a pairing code, instead of a key */
  pair?: string;
  /** keeps a key that the hub gave: it is used when that is done, for then nobody is let in without it */
  keep?: (key: { key: string; clientId: string; scope: string }) => void | Promise<void>;
  features?: string[];
  capacity?: number;
  exclusive?: boolean;
  instance?: string;
  html?: string;
}

export class Outlet {
  readonly outputId: string;
  readonly text: string;
  readonly reasoning: string;
  readonly over: boolean;
  show(text: string, kind?: Kind): void;
  push(piece: string, kind?: Kind): void;
  reset(at: number, kind?: Kind): void;
  end(how?: { more?: boolean; finishReason?: string; extra?: any }): void;
}

export class Task extends Emitter {
  readonly requestId: string;
  readonly room: string;
  readonly action: string;
  readonly said: any;
  readonly done: boolean;
  readonly outlets: Outlet[];
  readonly signal: AbortSignal;
  accept(where: 'chat' | 'headless', position?: number): void;
  busy(retryAfterMs?: number, reason?: string): void;
  output(about?: { action?: string; character?: Character; outputId?: string }): Outlet;
  fail(message: string): void;
  end(): void;
}

export class Extension extends Emitter {
  readonly clientId: string;
  readonly instance: string;
  readonly state: State;
  readonly tasks: Task[];
  answer(event: string, answer: (said: any) => any): void;
  say(event: string, payload: any): boolean;
  call(event: string, payload?: any, how?: { namespace?: string; timeoutMs?: number }): Promise<any>;
  retry(how?: { key?: string; pair?: string }): void;
  close(): void;
  on(name: 'request', listener: (task: Task) => void): Unlisten;
  on(name: 'state', listener: (change: StateChange) => void): Unlisten;
  on(name: string, listener: (...args: any[]) => void): Unlisten;
}

export function connect(url: string, how: HowToConnect & WithIo): Hub;
export function serve(url: string, how: HowToServe & WithIo): Extension;

export {}; // what is not called exported here, is not
