// Types of newage-client. What each thing does is said where it is written, in lib/.

export type Unlisten = () => void;
export type Kind = 'text' | 'reasoning';
export type State = 'connecting' | 'connected' | 'reconnecting' | 'refused' | 'replaced' | 'closed';
export interface StateChange { state: State; message: string; code?: number | string }
export interface Character { id: string; name: string; avatar?: string }

/** `code` is the hub's errorCode, or 'timeout', 'disconnected', 'closed', 'unknown'. */
export class Failure extends Error {
  constructor(message: string, known?: { code?: number | string; word?: string; body?: any });
  static of(body: any): Failure;
  code: number | string;
  word: string;
  body: any;
  readonly lost: boolean;
}

class Emitter {
  on(name: string, listener: (...args: any[]) => void): Unlisten;
}

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
  /** socket.io-client's; in Node it is brought along */
  io?: (...args: any[]) => any;
}

export interface HowToAsk {
  /** one's own by default */
  room?: string;
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
  readonly waitsFor: string;
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
  on(name: 'status', listener: (said: any) => void): Unlisten;
  on(name: 'end', listener: () => void): Unlisten;
}

export interface Page { messages: any[]; hasMore: boolean; seq: number }

export class Hub extends Emitter {
  readonly clientId: string;
  readonly identity: string;
  readonly state: State;
  readonly ready: Promise<Hub>;
  readonly outputs: Output[];
  ask(text: string, how?: HowToAsk): Answer;
  rooms(): Promise<any[]>;
  create(roomName: string, how?: { access?: 'open' | 'invited' }): Promise<any>;
  join(roomName: string): Promise<any>;
  leave(roomName: string): Promise<any>;
  members(roomName: string): Promise<any[]>;
  typing(roomName: string, typing?: boolean): boolean;
  history(room?: string, how?: { before?: number; limit?: number }): Promise<Page>;
  pages(room?: string, how?: { limit?: number }): AsyncGenerator<any[], void, void>;
  missed(room?: string, how?: { since?: number | string; limit?: number }): Promise<any>;
  edit(roomName: string, messageId: string, updatedFields: string | Record<string, any>): Promise<any>;
  delete(roomName: string, messageIds: string | string[]): Promise<any>;
  call(namespace: string, event: string, payload?: any, how?: { timeoutMs?: number }): Promise<any>;
  hear(namespace: string, event: string, heard: (payload: any) => void): void;
  retry(credentials?: { key?: string; password?: string }): void;
  close(): void;
  on(name: 'state', listener: (change: StateChange) => void): Unlisten;
  on(name: 'output', listener: (output: Output) => void): Unlisten;
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

export function connect(url: string, how: HowToReach & { password?: string }): Hub;
export function serve(url: string, how: HowToServe): Extension;

export {}; // what is not called exported here, is not
