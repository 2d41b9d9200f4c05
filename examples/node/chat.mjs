// Ask one question and print the answer as it streams in.
//   node chat.mjs "Tell me a story"          HUB=http://127.0.0.1:4000  CLIENT_ID=my-terminal  KEY=...
import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

const hub = process.env.HUB ?? "http://127.0.0.1:4000";
const question = process.argv.slice(2).join(" ") || "Hello!";
const requestId = randomUUID();

const socket = io(`${hub}/llm`, {
  auth: {
    clientId: process.env.CLIENT_ID ?? "node-example",
    clientType: "terminal",
    key: process.env.KEY, // not needed on the hub's own machine, unless networkSafe is off
    streamMode: "plain", // answers as SERVER_STREAM_DATA events
    sync: "incremental", // no snapshots of the history
  },
});

function leave(code, words) {
  if (words) console.error(words);
  process.exitCode = code;
  socket.disconnect();
}

socket.on("connect", async () => {
  const ack = await socket.timeout(10_000).emitWithAck("LLM_REQUEST", { requestId, message: question });
  if (ack.status !== "ok") leave(1, ack.message);
  else if (ack.state !== "forwarded") console.error(`(${ack.state}: nobody answers yet)`);
});

socket.on("SERVER_STREAM_DATA", (chunk) => {
  if (chunk.requestId === requestId) process.stdout.write(chunk.data);
});
socket.on("message", (answer) => {
  if (answer.requestId === requestId) process.stdout.write(answer.data); // an answer in one piece
});
socket.on("REQUEST_STATUS_UPDATE", (update) => {
  if (update.requestId !== requestId) return;
  if (update.status === "completed") leave(0, "");
  if (update.status === "failed" || update.status === "expired") leave(1, update.message ?? update.status);
});

// A refusal comes as ERROR, then the hub disconnects the namespace (docs/api.md, "Connecting").
socket.on("ERROR", (error) => leave(1, error.message));
socket.on("disconnect", () => process.stdout.write("\n"));
socket.on("connect_error", (error) => console.error(`no hub at ${hub}: ${error.message}; trying again`));
