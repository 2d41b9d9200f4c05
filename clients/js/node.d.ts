// Types of node.js: as './index.js', with socket.io-client brought along.
import type { Extension, Hub, HowToConnect, HowToServe, WithIo } from './index.js';

export * from './index.js';

export function connect(url: string, how: HowToConnect & Partial<WithIo>): Hub;
export function serve(url: string, how: HowToServe & Partial<WithIo>): Extension;
