import type { ConnectionOptions, PageEvents } from "./options.js";

export interface PageHooks {
  /** The network is there again. */
  online(): void;
  /** The page is shown again, or goes on after it was frozen. */
  awake(): void;
  /** The page goes away for good. */
  leaving(): void;
}

/** Listens to what browsers tell a page about network and life cycle; workers get a part of it. */
export function watchPage({ window, document }: NonNullable<ConnectionOptions["page"]>, hooks: PageHooks): () => void {
  const undo: (() => void)[] = [];
  const listen = (target: PageEvents | undefined, type: string, f: (event: any) => void) => {
    target?.addEventListener(type, f);
    undo.push(() => target?.removeEventListener(type, f));
  };
  listen(window, "online", () => hooks.online());
  listen(window, "pageshow", ({ persisted }) => persisted && hooks.awake());
  // A page that is kept for the way back may return, and then resumes.
  listen(window, "pagehide", ({ persisted }) => persisted || hooks.leaving());
  listen(document, "resume", () => hooks.awake());
  listen(document, "visibilitychange", () => document!.visibilityState === "visible" && hooks.awake());
  return () => undo.forEach((f) => f());
}
