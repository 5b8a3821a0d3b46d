// ws: whoever connects to /subscribe gets what comes from /publish; /echo sends
// back what comes.
import { WebSocketServer } from "ws";

const [host, port] = (process.argv[2] ?? "127.0.0.1:8080").split(":");
const server = new WebSocketServer({ host, port: Number(port), perMessageDeflate: false }, () =>
  console.log(`${host}:${server.address().port}`));
const subscribers = new Set();
server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  switch (request.url) {
    case "/subscribe":
      subscribers.add(socket);
      socket.on("close", () => subscribers.delete(socket));
      break;
    case "/publish":
      socket.on("message", (data) => subscribers.forEach((s) => s.send(data, { binary: false })));
      break;
    case "/echo":
      socket.on("message", (data) => socket.send(data, { binary: false }));
  }
});
