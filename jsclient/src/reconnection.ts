import { backoff } from "./backoff.js";
import type { Cancel } from "./clock.js";
import type { Environment, TransportName } from "./options.js";

/** A timer this late was held up by a sleeping machine, or a frozen page. */
const asleep = 5_000;

/** Failures in a row before the next transport gets its turn. */
const patience = 2;

export interface ReconnectionHooks {
  /** Try now, on this transport. */
  attempt(transport: TransportName): void;
  /** The time is up. */
  giveUp(): void;
}

/**
 * Decides when a lost connection tries to come back, on which transport, and when it gives up. The
 * first attempt is at once and on the transport that was lost; later ones back off.
 */
export class Reconnection {
  readonly #env: Environment;
  readonly #usable: readonly TransportName[];
  readonly #window: number;
  readonly #hooks: ReconnectionHooks;
  /** The last transport that worked: where the turns are counted from. */
  #home: number;
  #current: number;
  #failures = 0;
  #waiting: Cancel | undefined;
  #deadline: Cancel | undefined;

  constructor(env: Environment, usable: readonly TransportName[], transport: TransportName, window: number, hooks: ReconnectionHooks) {
    this.#env = env;
    this.#usable = usable;
    this.#home = this.#current = usable.indexOf(transport);
    this.#window = window;
    this.#hooks = hooks;
  }

  /** The transport is lost. With `spread` the first attempt waits a moment too: the server asked everybody to come back. */
  lost(spread: boolean): void {
    this.#watch();
    this.#schedule(backoff(Math.max(this.#failures, spread ? 1 : 0), this.#env.random));
  }

  /** The attempt failed. */
  failed(): void {
    this.#failures++;
    this.#schedule(backoff(this.#failures, this.#env.random));
  }

  /** The attempt seems to have succeeded. Should the transport go before it brought anything, it was a failure after all. */
  opened(): void {
    this.close();
    this.#failures++;
  }

  /** Something came: the transport works. */
  proven(): void {
    this.#home = this.#current;
    this.#failures = 0;
  }

  /** The network or the machine is back: what waits for its turn goes at once. */
  hurry(): void {
    if (!this.#waiting) return;
    this.#watch();
    this.#schedule(0);
  }

  close(): void {
    this.#waiting?.();
    this.#deadline?.();
    this.#waiting = this.#deadline = undefined;
  }

  #schedule(wait: number): void {
    this.#waiting?.();
    this.#waiting = this.#env.clock.after(wait, () => {
      this.#waiting = undefined;
      this.#current = (this.#home + Math.floor(this.#failures / patience)) % this.#usable.length;
      this.#hooks.attempt(this.#usable[this.#current]!);
    });
  }

  #watch(): void {
    this.#deadline?.();
    const { clock } = this.#env;
    const due = clock.now() + this.#window;
    this.#deadline = clock.after(this.#window, () => {
      if (clock.now() - due < asleep) return this.#hooks.giveUp();
      // Time that could not be used does not count.
      this.#watch();
    });
  }
}
