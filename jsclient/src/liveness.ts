import type { Cancel, Clock } from "./clock.js";

/**
 * Watches for signs of life. One timer, and it is not restarted by each sign: when it fires, it
 * looks how old the last one is. That also makes it right when the browser delays timers.
 */
export class Liveness {
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #slow: () => void;
  readonly #lost: () => void;
  #last: number;
  #warned = false;
  #cancel: Cancel = () => {};

  constructor(clock: Clock, timeout: number, slow: () => void, lost: () => void) {
    this.#clock = clock;
    this.#timeout = timeout;
    this.#slow = slow;
    this.#lost = lost;
    this.#last = clock.now();
    this.#arm();
  }

  seen(): void {
    this.#last = this.#clock.now();
    this.#warned = false;
  }

  /** Looks now, after the machine may have been asleep: two thirds of the time-out are then enough. */
  suspect(): void {
    if (this.#age() < this.#warning()) return;
    this.close();
    this.#lost();
  }

  close(): void {
    this.#cancel();
  }

  #arm(): void {
    const due = this.#warned ? this.#timeout : this.#warning();
    this.#cancel = this.#clock.after(Math.max(due - this.#age(), 0), () => this.#look());
  }

  #look(): void {
    if (this.#age() >= this.#timeout) return this.#lost();
    if (!this.#warned && this.#age() >= this.#warning()) {
      this.#warned = true;
      this.#slow();
    }
    this.#arm();
  }

  #age(): number {
    return this.#clock.now() - this.#last;
  }

  #warning(): number {
    return (this.#timeout * 2) / 3;
  }
}
