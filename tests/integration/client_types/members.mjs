// Prints the members that objects of each class have in truth: {class: [name]}.
import * as all from 'newage-client/core';

const socket = { io: {}, on() {}, connect() {} };
const io = () => socket;
const task = new all.Task({ world: { uuid: () => 'o' }, say() {} }, { requestId: 'r' });
const objects = {
  Hub: new all.Hub({ io, url: '', clientId: 'a' }),
  Answer: new all.Answer('r', '', async () => {}),
  Output: new all.Output('o'),
  Failure: new all.Failure('no'),
  Extension: new all.Extension({ io, url: '', clientId: 'SillyTavern-1' }),
  Task: task,
  Outlet: task.output(),
};

function members(/** @type {any} */ object) {
  const names = new Set(Object.getOwnPropertyNames(object));
  for (let kind = Object.getPrototypeOf(object); kind !== Object.prototype && kind !== Error.prototype; kind = Object.getPrototypeOf(kind)) {
    for (const name of Reflect.ownKeys(kind)) names.add(typeof name === 'symbol' ? `[${name.description}]` : name);
  }
  names.delete('constructor');
  return [...names].sort();
}

console.log(JSON.stringify(Object.fromEntries(Object.entries(objects).map(([name, object]) => [name, members(object)]))));
process.exit(0);
