// What one conversation looks like: a room, or somebody to whisper with.

const kept = 500; // rows of a log that stay in the page
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/**
 * Makes an element. Text goes in as text, never as HTML.
 * @param {string} tag
 * @param {Record<string, any>} [props] properties; "data" sets data attributes and "aria" ARIA ones
 * @param {...(Node | string)} children
 */
export function element(tag, { data = {}, aria = {}, ...props } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(aria)) node.setAttribute(`aria-${name}`, value);
  node.append(...children);
  return node;
}

/** @returns {HTMLTimeElement} the time of day */
export function timeStamp(when = new Date()) {
  return element("time", { dateTime: when.toISOString(), title: when.toLocaleString() }, clock.format(when));
}

/** Gives node the colour that belongs to a name, and returns it. */
export function paint(node, name) {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) % 360;
  node.style.setProperty("--hue", String((hash * 47) % 360));
  return node;
}

/** @returns {HTMLElement} a disc with the initials of a name */
export function avatar(name) {
  const words = name.split(/[\s-]+/).filter(Boolean);
  const initials = words.slice(0, 2).map((word) => [...word][0]).join("");
  return paint(element("span", { className: "avatar", aria: { hidden: true } }, initials.toUpperCase()), name);
}

/** A room, or a person: the messages, who is there, and how much is unread. */
export class Conversation {
  unread = 0;        // messages since it was last looked at
  newer = 0;         // messages below the part that is in view
  pinned = true;     // follows the newest message
  draft = "";        // what the user had begun to write
  people = new Set();
  #last = { from: "", at: 0 };
  #early = null;     // joins and leaves that came before the answer to our own join

  /** @param {"room" | "person"} kind */
  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
    this.log = element("div", {
      className: "log", role: "log", tabIndex: 0, hidden: true, data: { [kind]: name, empty: "Nothing said yet." },
      aria: { label: kind === "room" ? `Messages in ${name}` : `Whispers with ${name}` },
    });
    this.log.addEventListener("scroll", () => this.#scrolled());
  }

  /** Called when the part in view has changed. */
  onview = () => {};

  get isRoom() { return this.kind === "room"; }

  addMessage(from, text) {
    const now = new Date();
    const follows = from === this.#last.from && now - this.#last.at < 120_000;
    this.#last = { from, at: now };
    const row = this.#message(from, text, timeStamp(now));
    row.classList.toggle("follows", follows);
    if (!this.pinned) this.newer++;
    this.#append(row);
  }

  /** Shows, below all others, a message that is on its way. @returns {HTMLElement} to be removed */
  addPending(from, text) {
    const row = this.#message(from, text, "on its way…");
    row.classList.add("pending");
    delete row.dataset.from;
    this.#append(row);
    return row;
  }

  #message(from, text, when) {
    const by = element("div", { className: "by" }, paint(element("span", { className: "from" }, from), from), when);
    const said = element("div", { className: "text", dir: "auto" }, text);
    return element("div", { className: this.isRoom ? "message" : "message whisper", data: { from } },
      avatar(from), element("div", { className: "body" }, by, said));
  }

  /** Adds a line that nobody said. @param {string} kind joined, left, connection or gap */
  addNotice(kind, text) {
    this.#last = { from: "", at: 0 };
    this.#append(element("div", { className: "notice", data: { kind } }, `${text} `, timeStamp()));
  }

  #append(row) {
    this.log.append(row);
    while (this.log.childElementCount > kept) this.log.firstElementChild.remove();
    if (this.pinned) this.scrollToEnd();
    else this.onview();
  }

  /** Starts a join: until joined is called, arrivals and departures are kept. */
  joining() { this.#early = []; }

  /**
   * Takes the answer to a join. Who came or left while the answer was on its
   * way is applied on top of it: the two may overtake each other.
   * @param {string[]} names
   */
  joined(names) {
    const early = this.#early ?? [];
    this.#early = null;
    this.people = new Set(names);
    for (const { name, here } of early) this.setHere(name, here);
  }

  /** @returns {boolean} whether that is news */
  setHere(name, here) {
    this.#early?.push({ name, here });
    if (this.people.has(name) === here) return false;
    if (here) this.people.add(name);
    else this.people.delete(name);
    return true;
  }

  scrollToEnd() {
    this.pinned = true;
    this.newer = 0;
    this.log.scrollTop = this.log.scrollHeight;
    this.onview();
  }

  #scrolled() {
    if (this.log.hidden) return;
    this.pinned = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
    if (this.pinned) this.newer = 0;
    this.onview();
  }
}
