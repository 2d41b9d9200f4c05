// The least of an extension, to try the rig with: it remembers what SillyTavern says of generations.

const context = SillyTavern.getContext();
const seen = [];
window.newageProbe = seen;

for (const name of ['GENERATION_STARTED', 'STREAM_TOKEN_RECEIVED', 'GENERATION_ENDED', 'GENERATION_STOPPED', 'MESSAGE_RECEIVED']) {
  context.eventSource.on(context.eventTypes[name], (...values) => seen.push([name, ...values.map((value) => (typeof value === 'object' ? null : value))]));
}
