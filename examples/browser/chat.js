// The hub serves the Socket.IO client itself: no build, no CDN.
import { io } from "/socket.io/socket.io.esm.min.js";

const state = document.getElementById("state");
const talk = document.getElementById("talk");
const form = document.getElementById("ask");
const words = document.getElementById("words");

// One id per browser, so that the hub finds its room again.
const clientId = (localStorage.clientId ??= `page-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`);
const socket = io("/llm", { auth: { clientId, clientType: "web-page", streamMode: "plain", sync: "incremental" } });

// Always textContent: what people and models say is text, never markup.
function paragraph(className, text = "") {
  const made = document.createElement("p");
  made.className = className;
  made.textContent = text;
  talk.append(made);
  return made;
}

const answers = new Map(); // outputId -> paragraph

socket.on("connect", () => { state.textContent = `connected as ${clientId}`; });
socket.on("disconnect", (reason) => { state.textContent = `disconnected: ${reason}`; });
socket.on("connect_error", (error) => { state.textContent = `no hub: ${error.message}; trying again`; });
socket.on("ERROR", (error) => paragraph("error", error.message));

socket.on("SERVER_STREAM_DATA", (chunk) => {
  if (!answers.has(chunk.outputId)) answers.set(chunk.outputId, paragraph("answer"));
  answers.get(chunk.outputId).append(chunk.data);
});
socket.on("SERVER_STREAM_END", (end) => answers.get(end.outputId)?.replaceChildren(end.data)); // it may go on

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const message = words.value.trim();
  if (!message) return;
  words.value = "";
  paragraph("you", message);
  const requestId = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  await socket.emitWithAck("LLM_REQUEST", { requestId, message }); // a failure also comes as ERROR, shown above
});
