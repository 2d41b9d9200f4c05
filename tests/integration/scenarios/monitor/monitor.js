// A page that needs of the server what the reference's monitor page needs (contract 2.2, 2.3, 9.2, 9.4): the same modules by
// the same paths, one engine for three namespaces, a stale key, the list of extensions without a payload and read from
// `allTheSTSocket` alone. What it learns goes to `window.seen`.
import * as ss from '/lib/@sap_oss/node-socketio-stream.js';
import { MSG_TYPE, NAMESPACES, STREAM_EVENTS } from '/lib/constants.js';
import { io } from '/lib/Socket.io/socket.io.js';
import { uuidv4 } from '/lib/uuid/uuid.js';
import { addStaticResources, readJsonFromFile, saveJsonToFile } from '/dist/function_call.js';

const key = '2b$10$tBhT3d0vsSo66fthSdbdXeYNCA8DZpUCMS.xD3r.8SY82F/RjCkvW';
const auth = { clientType: 'monitor', clientId: 'monitor', key, desc: '服务器监控网页' };
const seen = { connected: [], errors: [], extensions: null, answers: [] };
window.seen = seen;

seen.modules = [ss, MSG_TYPE, STREAM_EVENTS, uuidv4, addStaticResources, saveJsonToFile].map((thing) => typeof thing);
seen.library = typeof window.ss;
const open = (namespace) => {
  const socket = io(location.origin + namespace, { auth });
  socket.on('connect', () => seen.connected.push(namespace));
  socket.on('connect_error', (error) => seen.errors.push(`${namespace}: ${error.message}`));
  socket.on(MSG_TYPE.ERROR, (error) => seen.errors.push(`${namespace}: ${error.message}`));
  return socket;
};
const authSocket = open(NAMESPACES.AUTH);
const llmSocket = open(NAMESPACES.LLM);
open(NAMESPACES.FUNCTION_CALL);
authSocket.emit(MSG_TYPE.GET_SILLYTAVERN_EXTENSION, (response) => {
  seen.status = response.status;
  if (response.status === 'ok') seen.extensions = response.allTheSTSocket;
});
llmSocket.on('message', (message) => seen.answers.push(message.data));
window.ask = (text) =>
  new Promise((resolve) => {
    const target = seen.extensions[0];
    const request = { target, requestId: uuidv4(), message: text, requestType: 'newMessage' };
    llmSocket.emit(MSG_TYPE.LLM_REQUEST, request, (response) => resolve(response));
  });
window.settings = () => readJsonFromFile('./settings/server_settings.json');
