// The pages of docs/client.md, in a browser.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { group, scenario } from "./harness.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const text = readFileSync(path.join(here, "../../docs/client.md"), "utf8");
const blocks = (language) => [...text.matchAll(new RegExp("^```" + language + "\n(.*?)^```", "gms"))].map((m) => m[1]);

// The test server serves what lies in node_modules below /modules.
const modules = path.join(here, "../node_modules");
let folder;

before(() => { folder = mkdtempSync(path.join(modules, ".docs-")); });
after(() => rmSync(folder, { recursive: true, force: true }));

const address = (scene, file) => `${scene.server.url}/modules/${path.basename(folder)}/${file}`;

group("docs/client.md", () => {
  scenario("the page with a plain script", [], async (scene) => {
    const [page, ...others] = blocks("html");
    assert.deepEqual(others, []);
    writeFileSync(path.join(folder, "plain.html"), page);
    const { page: ann } = await scene.blank();
    await ann.goto(address(scene, "plain.html"));
    await scene.server.event({ event: "connected" });
    await ann.waitForFunction(() => connection.state === "connected");
    await ann.fill("input", "hello");
    await ann.click("button");
    await ann.getByText("ann: hello").waitFor();
  });

  scenario("the React hook and its component, in strict mode", [], async (scene) => {
    const files = Object.fromEntries(blocks("jsx").map((code) => [code.match(/^\/\/ (\S+)/)[1], code]));
    assert.deepEqual(Object.keys(files), ["useHub.js", "Room.jsx"]);
    const hook = files["useHub.js"].split("export ")[1].trim().split("\n");
    assert.ok(hook.length <= 20, `the hook has ${hook.length} lines`);

    mkdirSync(path.join(folder, "react"));
    for (const [name, code] of Object.entries(files)) {
      writeFileSync(path.join(folder, "react", name), code);
    }
    writeFileSync(path.join(folder, "react/main.jsx"), `
      import { StrictMode } from "react";
      import { createRoot } from "react-dom/client";
      import { Room } from "./Room.jsx";
      window.root = createRoot(document.body.appendChild(document.createElement("main")));
      root.render(<StrictMode><Room /></StrictMode>);
    `);
    await build({
      entryPoints: [path.join(folder, "react/main.jsx")],
      outfile: path.join(folder, "react.js"),
      bundle: true,
      jsx: "automatic",
      jsxDev: true, // With React's own development build, for its checks.
      define: { "process.env.NODE_ENV": '"development"' },
      alias: { hubwire: path.join(here, "../../jsclient/dist/hubwire.js") },
      logLevel: "error",
    });
    writeFileSync(path.join(folder, "react.html"), '<!doctype html><link rel="icon" href="data:,"><body><script src="react.js"></script></body>');

    const peer = await scene.blank();
    const ann = peer.page;
    const complaints = [];
    ann.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await ann.goto(address(scene, "react.html"));
    await ann.getByText("connected", { exact: true }).waitFor();
    await ann.getByRole("button").click();
    await ann.getByText("ann: hello").waitFor();
    await scene.server.command("cut");
    await scene.server.event({ event: "reconnected" });
    await ann.getByText("connected", { exact: true }).waitFor();
    await ann.getByRole("button").click();
    await ann.waitForFunction(() => document.querySelectorAll("li").length === 2);
    await ann.evaluate(() => root.unmount());
    await scene.server.event({ event: "disconnected", stopCalled: true });
    assert.deepEqual(complaints, []);
  });
});
