// @ts-check
// What a model server says of its failure in the middle of a stream. SillyTavern's services pass over it, and the answer would
// look complete.

const LINE_MAX = 65_536;

/**
 * Send by one of SillyTavern's services, and hear.
 * @template T
 * @param {() => T} send it fetches within this turn
 * @param {(words: string) => void} heard
 * @param {{fetch: any}} [world]
 * @returns {T}
 */
export function overhear(send, heard, world = globalThis) {
  const { fetch } = world;
  // Back in its place before anybody else can fetch.
  world.fetch = async (/** @type {any[]} */ ...args) => listening(await fetch.apply(globalThis, args), heard);
  try {
    return send();
  } finally {
    world.fetch = fetch;
  }
}

/** @param {Response} response @param {(words: string) => void} heard */
function listening(response, heard) {
  if (!response.ok || !response.body) return response;
  const { status, statusText, headers } = response;
  const decoder = new TextDecoder();
  let line = '';
  const scan = new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      const lines = (line + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r/);
      line = (lines.pop() ?? '').slice(0, LINE_MAX);
      for (const whole of lines) {
        const words = failure(whole);
        if (words) heard(words);
      }
    },
  });
  return new Response(response.body.pipeThrough(scan), { status, statusText, headers });
}

/** What an event says of a failure, '' where it says nothing of the kind. @param {string} line */
function failure(line) {
  if (!line.startsWith('data:') || !line.includes('"error"')) return '';
  try {
    const { error } = JSON.parse(line.slice('data:'.length));
    return error ? String(error.message ?? (typeof error === 'string' ? error : 'an error')) : '';
  } catch {
    return '';
  }
}
