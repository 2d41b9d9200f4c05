// The reference implementation: socket.io on ws with bufferutil, without compression and without the client bundles.
// usage: node peers/node_socketio.js PORT   (NODE_PATH finds the packages)
"use strict";
const http = require("node:http");
const { Server } = require("socket.io");

const port = Number(process.argv[2]);
const server = http.createServer();
const io = new Server(server, { perMessageDeflate: false, httpCompression: false, serveClient: false });

io.on("connection", (socket) => {
  socket.on("echo", (data, ack) => ack(data));
  socket.on("join", ({ room }, ack) => {
    socket.join(room);
    ack(true);
  });
  socket.on("relay", ({ room, data }) => io.to(room).emit("relayed", data));
});

server.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => console.log("ready", port));
