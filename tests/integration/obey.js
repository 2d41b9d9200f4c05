'use strict';
// A process under remote control (support/remote.py): each line of stdin is a command {id, op, ...}, answered by {id, ok} or
// {id, error}. It ends with stdin, after `close`.

const readline = require('node:readline');

module.exports = (commands, write, close = () => {}) => {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, op, ...given } = JSON.parse(line);
    try {
      write({ id, ok: (await commands[op](given)) ?? null });
    } catch (error) {
      write({ id, error: String(error.stack ?? error) });
    }
  });
  lines.on('close', async () => {
    await close();
    process.exit(0);
  });
};
