// The page: it holds the conversations, and puts what the link tells into view.

import { Conversation, avatar, element, paint, timeStamp } from "./conversation.js";
import { Link, client } from "./link.js";

const $ = (id) => document.getElementById(id);
const transportNames = {
  webSockets: "WebSockets",
  serverSentEvents: "server-sent events",
  longPolling: "long polling",
};

let name = "";        // as it was typed, "" for a guest
let me = "";          // as the server knows us
let link;             // undefined while signed out
let current;          // the conversation in view
let caughtUp = null;  // messages since the connection came back, for a moment
/** @type {Map<string, Conversation>} by kind and name */
const conversations = new Map();

// ---- What the server calls

const handlers = {
  addMessage(from, text, room) {
    const conversation = room ? conversations.get(`room ${room}`) : open("person", from);
    conversation?.addMessage(from, text);
    if (caughtUp !== null) caughtUp++;
    if (conversation && from !== me && (conversation !== current || document.hidden)) {
      conversation.unread++;
      renderConversations();
    }
  },
  whispered(to, text) {
    open("person", to).addMessage(me, text);
  },
  joined: (who, room) => arrival(who, room, true),
  left: (who, room) => arrival(who, room, false),
};

function arrival(who, room, here) {
  const conversation = conversations.get(`room ${room}`);
  if (!conversation?.setHere(who, here)) return;
  if (who !== me) conversation.addNotice(here ? "joined" : "left", `${who} ${here ? "joined" : "left"}`);
  if (conversation === current) renderPeople();
}

// ---- Signing in and out

function enter(rooms, transport) {
  $("enter-error").textContent = "";
  $("enter-button").disabled = true;
  $("transport").value = transport;
  for (const room of rooms) open("room", room);
  link = new Link(name, transport, handlers);
  link.addEventListener("status", renderStatus);
  link.addEventListener("ready", ({ detail }) => ready(detail));
  link.addEventListener("back", ({ detail }) => back(detail));
  link.addEventListener("gap", gap);
  link.addEventListener("refused", ({ detail }) => signOut(detail));
  link.addEventListener("log", ({ detail }) => log(detail));
  link.start();
}

/** The connection is a new one: the server knows nothing of us yet. */
async function ready(broke) {
  const mine = link;
  if (broke && !$("app").hidden) tellAll("gap", "Connected anew: what was said in between is missing");
  const answer = await mine.invoke("whoAmI").catch(() => "");
  if (!answer || mine !== link) return; // The connection is gone again. The link sees to it.
  me = answer;
  const rooms = [...conversations.values()].filter((c) => c.isRoom);
  const refusals = await Promise.all(rooms.map(join));
  if (mine !== link) return;
  $("me").dataset.name = me;
  $("me").querySelector(".name").textContent = me;
  $("me").querySelector(".avatar").replaceWith(avatar(me));
  const first = $("app").hidden;
  $("welcome").hidden = true;
  $("app").hidden = false;
  remember();
  renderStatus();
  render();
  complain(refusals.find(Boolean) ?? "");
  if (first) (current ? $("text") : $("join-room")).focus();
}

/** Joins a room. If the server refuses, the room is closed again and the reason returned. */
async function join(conversation) {
  conversation.joining();
  try {
    conversation.joined(await link.invoke("join", conversation.name));
  } catch (error) {
    if (error.name !== "HubError") return ""; // It is joined when the connection is back.
    close(conversation);
    return error.message;
  }
  return "";
}

function signOut(reason = "") {
  link?.stop();
  link = undefined;
  sessionStorage.clear();
  history.replaceState(null, "", location.pathname + (client === "Hubwire" ? "" : "?client=core"));
  for (const conversation of [...conversations.values()]) close(conversation);
  $("events").replaceChildren();
  $("app").hidden = true;
  $("welcome").hidden = false;
  $("enter-button").disabled = false;
  $("enter-error").textContent = reason;
  $("name").focus();
}

/** Keeps what a reload needs. */
function remember() {
  const rooms = [...conversations.values()].filter((c) => c.isRoom).map((c) => c.name);
  sessionStorage.setItem("chat", JSON.stringify({ name, rooms, transport: $("transport").value }));
}

// ---- Losing the connection and coming back

function back(seconds) {
  caughtUp = 0;
  setTimeout(() => {
    const messages = caughtUp === 1 ? "1 message" : `${caughtUp} messages`;
    caughtUp = null;
    log(`Caught up with ${messages}`);
    tellAll("connection", `Back after ${seconds.toFixed(0)} s; ${messages} caught up`);
  }, 500); // What was missed comes at once.
}

function gap() {
  log("Messages are missing");
  tellAll("gap", "Away for too long: messages are missing here");
  ready(false); // Who is here is asked for again.
}

function tellAll(kind, text) {
  for (const conversation of conversations.values()) conversation.addNotice(kind, text);
}

function log(text) {
  const events = $("events");
  events.append(element("li", {}, timeStamp(), text));
  if (events.childElementCount > 50) events.firstElementChild.remove();
  events.scrollTop = events.scrollHeight;
}

function renderStatus() {
  if (!link) return;
  const { state, transport, retryAt } = link;
  Object.assign($("app").dataset, { state, transport });
  Object.assign($("status").dataset, { state, transport });
  const texts = {
    connected: "Connected",
    connecting: "Connecting…",
    reconnecting: "Reconnecting…",
    disconnected: "Not connected",
  };
  setText($("status-text"), texts[state]);
  setText($("status-transport"), transportNames[transport] ?? "");
  const banners = {
    reconnecting: "Connection lost, coming back. What you write now is sent then.",
    disconnected: retryAt ? `No connection. Next try in ${Math.ceil((retryAt - Date.now()) / 1000)} s.` : "",
  };
  const banner = banners[state] ?? "";
  setText($("banner"), banner);
  $("banner").hidden = banner === "";
  $("banner").dataset.bad = String(state === "disconnected");
  if ($("app").hidden) setText($("enter-error"), state === "disconnected" ? banner : "");
}

/** Screen readers speak again what is set again. */
function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

// ---- Conversations

function open(kind, who) {
  const key = `${kind} ${who}`;
  let conversation = conversations.get(key);
  if (!conversation) {
    conversation = new Conversation(kind, who);
    conversation.onview = () => { if (conversation === current) renderNewer(); };
    conversations.set(key, conversation);
    $("messages").append(conversation.log);
    if (!current) show(conversation);
    renderConversations();
  }
  return conversation;
}

function close(conversation) {
  conversations.delete(`${conversation.kind} ${conversation.name}`);
  conversation.log.remove();
  if (conversation === current) show([...conversations.values()].at(-1));
  renderConversations();
}

function show(conversation) {
  if (current) {
    current.draft = $("text").value;
    current.log.hidden = true;
  }
  current = conversation;
  complain("");
  if (current) {
    current.log.hidden = false;
    current.unread = 0;
    $("text").value = current.draft;
    if (current.pinned) current.scrollToEnd();
  }
  render();
}

function render() {
  const title = !current ? "No conversation" : current.isRoom ? `# ${current.name}` : `Whispering with ${current.name}`;
  $("title").textContent = title;
  $("nowhere").hidden = Boolean(current);
  $("leave").hidden = $("text").hidden = $("send").hidden = !current;
  $("leave").textContent = current?.isRoom ? "Leave" : "Close";
  $("text").placeholder = !current ? "" : current.isRoom ? `Say something in ${current.name}` : `Whisper to ${current.name}`;
  renderConversations();
  renderPeople();
  renderNewer();
}

function renderConversations() {
  const all = [...conversations.values()];
  fill($("rooms"), all.filter((c) => c.isRoom).map(conversationItem));
  fill($("whispers"), all.filter((c) => !c.isRoom).map(conversationItem));
  const total = all.reduce((sum, c) => sum + c.unread, 0);
  document.title = (total ? `(${total}) ` : "") + "Hubwire chat";
  $("unread-elsewhere").textContent = total;
  $("unread-elsewhere").hidden = total === 0;
}

function conversationItem(conversation) {
  const { kind, name, unread } = conversation;
  const button = element("button", {
    type: "button", data: { [kind]: name, unread }, aria: { current: conversation === current },
    onclick() { show(conversation); closeDrawers(); $("text").focus(); },
  }, element("span", { className: "label" }, kind === "room" ? `# ${name}` : name));
  if (unread) {
    button.append(element("span", { className: "badge" }, String(unread), element("span", { className: "sr-only" }, " unread")));
  }
  button.classList.toggle("unread", unread > 0);
  return element("li", {}, button);
}

function renderPeople() {
  const names = current?.isRoom ? [...current.people].sort((a, b) => (b === me) - (a === me) || a.localeCompare(b)) : [];
  $("people-heading").textContent = current?.isRoom ? `Here now: ${names.length}` : "Here now";
  $("people-hint").textContent = current && !current.isRoom ? `Only you and ${current.name} see this.` : "";
  $("people-count").textContent = names.length;
  $("show-people").hidden = !current?.isRoom;
  fill($("people"), names.map(personItem));
}

function personItem(who) {
  const label = element("span", { className: "label" }, who);
  if (who === me) {
    return element("li", { data: { name: who } },
      element("span", { className: "self" }, avatar(who), label, element("small", {}, "you")));
  }
  const button = element("button", {
    type: "button", data: { whisper: who }, title: `Whisper to ${who}`,
    onclick() { show(open("person", who)); closeDrawers(); $("text").focus(); },
  }, avatar(who), label, element("span", { className: "verb" }, "whisper"));
  return element("li", { data: { name: who } }, button);
}

/** Replaces the items of a list. Who had the focus keeps it. */
function fill(list, items) {
  const index = [...list.children].findIndex((item) => item.contains(document.activeElement));
  const key = JSON.stringify(index < 0 ? null : document.activeElement.dataset, ["room", "person", "whisper"]);
  list.replaceChildren(...items);
  if (index < 0) return;
  const buttons = [...list.querySelectorAll("button")];
  buttons.find((b) => JSON.stringify(b.dataset, ["room", "person", "whisper"]) === key)?.focus();
}

function renderNewer() {
  const count = current?.newer ?? 0;
  $("newer").hidden = count === 0;
  $("newer").textContent = count === 1 ? "1 new message ↓" : `${count} new messages ↓`;
}

// ---- What the user does

/** Shows what went wrong, until the next thing goes right. */
function complain(text = "") { $("error").textContent = text; }

async function send(conversation, text) {
  complain("");
  let row;
  const slow = setTimeout(() => { row = conversation.addPending(me, text); }, 400);
  try {
    await link.invoke(conversation.isRoom ? "say" : "whisper", conversation.name, text);
  } catch (error) {
    complain(error.message);
    if (conversation === current && $("text").value === "") $("text").value = text;
    else conversation.draft ||= text;
  } finally {
    clearTimeout(slow);
    row?.remove();
  }
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  name = $("name").value.trim();
  enter([$("first-room").value.trim()], $("transport").value);
});

$("sign-out").addEventListener("click", () => signOut());

$("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const room = $("join-room").value.trim();
  let conversation = conversations.get(`room ${room}`);
  if (!conversation) {
    conversation = open("room", room);
    complain(await join(conversation));
    if (!conversations.has(`room ${room}`)) return;
    remember();
  }
  $("join-room").value = "";
  show(conversation);
  closeDrawers();
  $("text").focus();
});

$("leave").addEventListener("click", async () => {
  const conversation = current;
  close(conversation);
  remember();
  if (conversation.isRoom) await link.invoke("leave", conversation.name).catch((error) => complain(error.message));
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  current.scrollToEnd();
  send(current, text);
});

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

$("transport").addEventListener("change", () => {
  remember();
  link.switchTo($("transport").value);
});

$("newer").addEventListener("click", () => {
  current.scrollToEnd();
  $("text").focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeDrawers();
  if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  event.preventDefault();
  const all = [...conversations.values()].sort((a, b) => b.isRoom - a.isRoom);
  const step = event.key === "ArrowDown" ? 1 : -1;
  if (all.length) show(all.at((all.indexOf(current) + step) % all.length));
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  renderConversations();
});

new ResizeObserver(() => { if (current?.pinned) current.scrollToEnd(); }).observe($("messages"));

// ---- Drawers of narrow windows

const drawers = [["show-side", "side"], ["show-people", "people-side"]];

function closeDrawers() {
  for (const [button, drawer] of drawers) {
    if ($(drawer).contains(document.activeElement) && $(drawer).classList.contains("open")) $(button).focus();
    $(drawer).classList.remove("open");
    $(button).setAttribute("aria-expanded", "false");
  }
}

for (const [button, drawer] of drawers) {
  $(button).addEventListener("click", () => {
    $(drawer).classList.add("open");
    $(button).setAttribute("aria-expanded", "true");
    $(drawer).focus();
  });
}
$("shade").addEventListener("click", closeDrawers);

// ---- Where to begin

$("client").textContent = `Client: ${client}`;
setInterval(renderStatus, 1000); // It counts down to the next try.

const query = new URLSearchParams(location.search);
const kept = JSON.parse(sessionStorage.getItem("chat") ?? "null");
if (query.has("name")) {
  name = query.get("name");
  const rooms = query.getAll("room");
  enter(rooms.length ? rooms : ["lobby"], query.get("transport") ?? "auto");
} else if (kept) {
  name = kept.name;
  enter(kept.rooms, kept.transport);
}
