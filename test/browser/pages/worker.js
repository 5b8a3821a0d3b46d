// The far end of worker.html.

import "./journal.js";
import "./ours.js";

onmessage = async ({ data: { id, target, verb, args } }) => {
  try {
    postMessage({ id, result: await globalThis[target][verb](...args) });
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};
