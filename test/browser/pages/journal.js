// What happened to the client in this page, in order, and a way to wait for
// more of it. Both drivers write it; the tests read it.
(function () {
  "use strict";

  const entries = [];
  const waiters = new Set();

  function matching(kind) {
    return entries.filter((e) => e.kind === kind);
  }

  globalThis.journal = {
    add(kind, what) {
      entries.push({ kind, ...what });
      for (const check of [...waiters]) {
        check();
      }
    },

    all() {
      return entries;
    },

    // Resolves with the entries of a kind when there are at least count of
    // them, or says what there was instead.
    wait(kind, count, milliseconds) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const found = matching(kind);
          if (found.length >= count) {
            done();
            resolve(found);
          }
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(
            `waited ${milliseconds} ms for ${count} of "${kind}", there were ${matching(kind).length}`));
        }, milliseconds);
        const done = () => {
          clearTimeout(timer);
          waiters.delete(check);
        };
        waiters.add(check);
        check();
      });
    },
  };
})();
