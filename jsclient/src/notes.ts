import type { Attachment } from "./attachment.js";
import type { Cancel } from "./clock.js";
import { asError, type ConnectionError } from "./errors.js";
import type { Site } from "./site.js";

/** Milliseconds after which a note that did not get through is sent again. */
const patience = 1000;

/**
 * Short messages that are to reach the server whatever breaks: answers to its questions, and
 * cancels. They do not wait for their turn behind calls, since a call may wait for them. Each is sent
 * again over the next transport until the server has said that it has it.
 */
export class Notes {
  readonly #site: Site;
  readonly #ending = new AbortController();
  readonly #all = new Map<string, string>();
  #attachment: Attachment | undefined;
  #retry: Cancel | undefined;

  constructor(site: Site) {
    this.#site = site;
  }

  /** The id is that of what the note is about. */
  send(id: string, payload: string): void {
    this.#all.set(id, payload);
    this.#send(id, payload);
  }

  /** The server has it. */
  taken(id: string): void {
    this.#all.delete(id);
  }

  /** The connection is up, or not. */
  use(attachment: Attachment | undefined): void {
    this.#attachment = attachment;
    this.#all.forEach((payload, id) => this.#send(id, payload));
  }

  close(): void {
    this.#attachment = undefined;
    this.#retry?.();
    this.#ending.abort();
  }

  #send(id: string, payload: string): void {
    if (this.#attachment?.sends) this.#attachment.send(payload);
    else if (this.#attachment) void this.#post(id, payload, this.#attachment.transport);
  }

  async #post(id: string, data: string, transport: string): Promise<void> {
    try {
      await this.#site.request("send", { query: { transport }, form: { data }, signal: this.#ending.signal });
      this.taken(id);
    } catch (thrown) {
      const error = asError(thrown) as ConnectionError;
      // Where the server itself has refused it, it will again.
      if (error.status! < 502) this.taken(id);
      else if (this.#attachment) this.#again();
    }
  }

  #again(): void {
    this.#retry ??= this.#site.env.clock.after(patience, () => {
      this.#retry = undefined;
      this.use(this.#attachment);
    });
  }
}
