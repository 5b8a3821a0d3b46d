// All browser tests in one process, so that they share a Chromium. Each file
// runs alone too: node --test browser/fallback.test.mjs

import "./clients.test.mjs";
import "./parity.test.mjs";
import "./fallback.test.mjs";
import "./core.test.mjs";
import "./ours.test.mjs";
import "./keepalive.test.mjs";
import "./network.test.mjs";
import "./restart.test.mjs";
import "./barred.test.mjs";
import "./mixed.test.mjs";
import "./legacy.test.mjs";
import "./raw.test.mjs";
import "./origins.test.mjs";
import "./chat.test.mjs";
import "./docs.test.mjs";
import "./migration.test.mjs";
