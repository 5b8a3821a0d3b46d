// socket.io: clients join a room, which is broadcast to over WebSocket.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false, perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.on("join", (group, done) => { socket.join(group); done(); });
  socket.on("broadcast", (user, text) => io.to("g").emit("recv", user, text));
  socket.on("echo", (text, done) => done(text));
});
const [host, port] = (process.argv[2] ?? "127.0.0.1:8080").split(":");
http.listen(Number(port), host, () => console.log(`${host}:${http.address().port}`));
