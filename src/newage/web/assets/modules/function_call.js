/**
 * Browser-safe stand-in for the server's own functions: each is a FUNCTION_CALL over a /function_call socket of its
 * own, opened at the first use. Nothing here imports a Node module.
 */
import { io } from '/lib/Socket.io/socket.io.js';
import { MSG_TYPE, NAMESPACES, STREAM_EVENTS } from '/lib/constants.js';
import { uuidv4 } from '/lib/uuid/uuid.js';

const TIMEOUT_MS = 10000;
const CLIENT_ID = 'monitor'; // the session of the reference server's own page: no further one appears in the lists

let functionSocket = null;

function connect(namespace) {
    const auth = { clientId: CLIENT_ID, identity: CLIENT_ID, clientType: 'monitor', desc: 'function_call.js' };
    return io(new URL(namespace, location.origin).href, { auth });
}

function call(functionName, args) {
    functionSocket ??= connect(NAMESPACES.FUNCTION_CALL);
    const payload = {
        requestId: uuidv4(),
        type: MSG_TYPE.FUNCTION_CALL,
        functionName,
        args,
        target: 'server',
    };
    return new Promise((resolve, reject) => {
        functionSocket.timeout(TIMEOUT_MS).emit(MSG_TYPE.FUNCTION_CALL, payload, (error, response) => {
            if (error) {
                reject(new Error(`${functionName}: no answer`));
            } else if (!response?.success) {
                reject(new Error(response?.message ?? `${functionName} failed`));
            } else {
                resolve(response.result);
            }
        });
    });
}

/** Save `data` as JSON; resolves with {success: true} or rejects with the server's reason. */
export async function saveJsonToFile(filePath, data) {
    const result = await call('saveJsonToFile', [filePath, data]);
    return result && typeof result === 'object' ? { success: true, ...result } : { success: true };
}

/** Read a JSON file; resolves with its content. */
export function readJsonFromFile(filePath) {
    return call('readJsonFromFile', [filePath]);
}

/**
 * Publish files: ({'/url': 'path', ...}). An application object as first argument, as the Node version has it,
 * is ignored.
 */
export async function addStaticResources(...args) {
    const resources = args.length > 1 ? args[1] : args[0];
    await call('addStaticResources', [resources]);
    return { success: true };
}

/*
 * A page written for the reference server may have a text area for streamed text without a way to fill it: it gets
 * what plain SERVER_STREAM_DATA events carry. The page's own /llm socket is not ours to listen on, so this one listens
 * in the room of the page's client id, which is its room by default.
 */
function showStreams(area) {
    const identity = area.dataset.clientId ?? 'monitor';
    const auth = { clientId: identity, identity, clientType: 'monitor', desc: 'function_call.js', streamMode: 'plain' };
    const socket = io(new URL(NAMESPACES.LLM, location.origin).href, { auth });
    socket.on(STREAM_EVENTS.streamed_data, (event) => {
        const text = typeof event === 'string' ? event : (event?.data ?? event?.text ?? event?.chunk);
        if (typeof text === 'string') {
            if ('value' in area) {
                area.value += text;
            } else {
                area.append(text);
            }
            area.scrollTop = area.scrollHeight;
        }
    });
}

function start() {
    const area = document.getElementById('streamDataTextArea');
    if (area) {
        showStreams(area);
    }
}

if (typeof document !== 'undefined') {
    if (document.readyState === 'loading') {
        document.addEventListener('DOMContentLoaded', start, { once: true });
    } else {
        start();
    }
}
