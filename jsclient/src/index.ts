export { HubConnection, type ConnectionEvents } from "./connection.js";
export type { AnyHub, Callable, Handler, Hub, HubShape, Item, Progress, Remote, Streams } from "./hub.js";
export type { Stream } from "./stream.js";
export { ConnectionError, HubError, type ConnectionErrorCode, type TransportFailure } from "./errors.js";
export type { CallOptions } from "./calls.js";
export type { Cancel, Clock } from "./clock.js";
export type { Unsubscribe } from "./events.js";
export type { ConnectionState } from "./lifetime.js";
export type {
  ConnectionOptions,
  EventSourceLike,
  FetchLike,
  LogLevel,
  PageEvents,
  TransportName,
  WebSocketLike,
} from "./options.js";
export type { State } from "./wire.js";
