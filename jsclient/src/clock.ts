/** Cancels what it was returned for. Cancelling twice, or too late, does nothing. */
export type Cancel = () => void;

/** Where the client gets its time from. Tests put a fake one in its place. */
export interface Clock {
  /** Milliseconds since some fixed moment. It goes on while the machine sleeps. */
  now(): number;
  /** Calls `f` once, `ms` milliseconds from now. */
  after(ms: number, f: () => void): Cancel;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, f) {
    const timer = setTimeout(f, ms);
    return () => clearTimeout(timer);
  },
};
