'use strict';
// clients/js under remote control, as driver.js has plain sockets: people who ask, and extensions that answer.

const { io } = require('socket.io-client');

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

module.exports = (record) => {
  const library = import('../../clients/js/index.js');
  const kept = new Map();

  function keep(name, it) {
    kept.set(name, it);
    it.on('state', ({ state, message }) => record(name, '@state', [state, message]));
    it.on('problem', (body) => record(name, '@problem', [body]));
  }

  // '@piece' (requestId, piece) as they come by the iteration, '@answer' (requestId, text, why it failed or null) at its end.
  async function read(name, answer) {
    try {
      for await (const piece of answer) record(name, '@piece', [answer.requestId, piece]);
    } catch {
      // its failure is told below
    }
    record(name, '@answer', [answer.requestId, answer.text, answer.failure?.message ?? null]);
  }

  const commands = {
    async js_client({ name, url, how }) {
      const { connect } = await library;
      const hub = connect(url, { io, ...how });
      keep(name, hub);
      await hub.ready;
    },
    // Answered when the hub has the question.
    js_ask({ name, text, how }) {
      const answer = kept.get(name).ask(text, how);
      return new Promise((resolve, reject) => {
        answer.on('status', () => resolve(answer.requestId));
        answer.on('end', () => reject(new Error(answer.failure?.message ?? 'over')));
        read(name, answer);
      });
    },
    // Each request is answered with the tokens, `gap` ms apart, and then the question; '@request' and '@answered' (requestId).
    async js_serve({ name, url, how, tokens, gap }) {
      const { serve } = await library;
      const extension = serve(url, { io, ...how });
      keep(name, extension);
      extension.on('request', async (task) => {
        record(name, '@request', [task.requestId]);
        task.accept('headless');
        const output = task.output();
        for (const token of [...tokens, task.said.message]) {
          await pause(gap);
          if (task.signal.aborted) break;
          output.push(token);
        }
        record(name, '@answered', [task.requestId, String(task.signal.reason ?? '')]);
        if (task.signal.aborted) task.over();
        else output.end();
      });
      await new Promise((resolve) => extension.on('up', resolve));
    },
  };
  const close = () => {
    for (const it of kept.values()) it.close();
    kept.clear();
  };
  return { commands, close };
};
