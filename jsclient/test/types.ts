// Compiled, not run: what the published types allow, and what they do not.
import { HubConnection, HubError, ConnectionError, type Hub, type HubShape, type TransportName } from "hubwire";

interface Message {
  from: string;
  text: string;
}

interface ChatHub extends HubShape {
  server: {
    join(room: string): void;
    say(room: string, text: string): Promise<number>;
    history(room: string, limit: number): Message[];
  };
  streams: {
    typing(room: string): AsyncIterable<string>;
  };
  client: {
    addMessage(from: string, text: string): void;
    askName(): string;
  };
}

const connection = new HubConnection("/signalr", { transports: ["webSockets", "longPolling"], query: { name: "ann" } });
const chat = connection.hub<ChatHub>("chat");

export async function program(): Promise<void> {
  const remove: () => void = chat.on("addMessage", (from, text) => from.toUpperCase() + text.length);
  remove();
  chat.on("askName", async () => "ann");
  chat.once("addMessage", async (from) => void (await fetch(from)));
  chat.off("addMessage");
  await connection.start();
  const n: number = await chat.invoke("say", "lobby", "hi");
  const m: Message[] = await chat.server.history("lobby", n);
  const nothing: void = await chat.server.join("lobby");
  const options = { timeout: 1000, signal: new AbortController().signal, progress: (percent: number) => percent + 1 };
  const k: number = await chat.with(options).server.say("lobby", m[0]!.text);
  connection.on("transportfailed", ({ transport, error }) => console.log(transport satisfies TransportName, error.message, k, nothing));
  connection.on("disconnected", (reason) => reason instanceof ConnectionError && reason.code === "disconnected");
  await chat.invoke("join", "lobby").catch((error) => error instanceof HubError && error.data);

  for await (const name of chat.stream("typing", "lobby")) name.toUpperCase();
  const untyped: Hub = connection.hub("news");
  untyped.on("anything", (a, b: number) => a + b);
  const anything: string = await untyped.invoke("whatever", 1, "two");
  untyped.state.color = anything;
  for await (const item of untyped.stream("anything", 1)) item.whatever;
}

export async function mistakes(): Promise<void> {
  // @ts-expect-error no such method
  await chat.invoke("sya", "lobby", "hi");
  // @ts-expect-error an argument is missing
  await chat.invoke("say", "lobby");
  // @ts-expect-error an argument of the wrong type
  await chat.server.history("lobby", "10");
  // @ts-expect-error the result is a number
  const text: string = await chat.server.say("lobby", "hi");
  // @ts-expect-error no such event
  chat.on("addMesage", () => text);
  // @ts-expect-error the handler takes strings
  chat.on("addMessage", (from: number) => from);
  // @ts-expect-error the server waits for a string
  chat.on("askName", () => 7);
  // @ts-expect-error it yields strings
  for await (const name of chat.stream("typing", "lobby")) name satisfies number;
  // @ts-expect-error no such transport
  new HubConnection("/signalr", { transports: "webSocket" });
  // @ts-expect-error no such event of the connection
  connection.on("reconnect", () => {});
}
