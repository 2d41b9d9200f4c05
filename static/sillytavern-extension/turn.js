// @ts-check
// The page's other work between two pieces of ours.

/** Resolves in another turn of the event loop; no timer, which a hidden page would slow down. @returns {Promise<void>} */
export function turn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}
