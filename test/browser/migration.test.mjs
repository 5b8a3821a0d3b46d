// The steps of docs/migration.md, one after the other, with the code of that
// page: its server, its page before the move, and its page after it.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { build, group, ownAddress, Program, scenario } from "./harness.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const text = readFileSync(path.join(here, "../../docs/migration.md"), "utf8");
const blocks = (language) => [...text.matchAll(new RegExp("^```" + language + "\n(.*?)^```", "gms"))].map((m) => m[1]);

const module = "github.com/hubwire/hubwire/";
const imports = [
  "context", "encoding/json", "fmt", "iter", "log", "net", "net/http", "os", "os/signal", "syscall", "time",
  ...["hub", "hub/codec", "hub/core", "negotiate", "persistent"].map((name) => module + name),
];
const scripts = ["jquery/dist/jquery.js", "signalr/jquery.signalR.js", "@microsoft/signalr/dist/browser/signalr.js"];

let site;

before(() => {
  site = mkdtempSync(path.join(tmpdir(), "hubwire-migration-"));
  mkdirSync(path.join(site, "scripts"));
  for (const script of scripts) {
    copyFileSync(path.join(here, "../node_modules", script), path.join(site, "scripts", path.basename(script)));
  }
  for (const page of blocks("html")) {
    const [, name] = page.match(/^<!-- (\S+) -->\n/);
    writeFileSync(path.join(site, name), page.slice(page.indexOf("\n") + 1));
  }
  // The compiler sees the program in a folder of this module.
  const main = path.join(site, "main.go");
  writeFileSync(main, `package main\n\nimport (\n${imports.map((p) => `\t"${p}"\n`).join("")})\n\n${blocks("go").join("\n")}`);
  const overlay = path.join(site, "overlay.json");
  writeFileSync(overlay, JSON.stringify({ Replace: { [path.join(here, "board/main.go")]: main } }));
  build("./board", "-overlay", overlay);
});

after(() => rmSync(site, { recursive: true, force: true }));

class Board extends Program {
  static binary = "board";

  // Flags are what the program finds in its environment.
  constructor(flags) {
    super([], { cwd: site, env: { ADDR: ownAddress(), HUBWIRE_KEY: "k".repeat(32), ...flags } });
  }

  read(line) {
    this.lines.push({ text: line, url: line.match(/http:\/\/\S+/)?.[0] });
    this.wake();
  }

  end() {
    this.child.kill("SIGTERM");
  }

  async status() {
    return (await fetch(`${this.url}/status`)).json();
  }
}

// A Page is somebody who has a page of the board open.
class Page {
  static async open(scene, name, file) {
    const { page } = await scene.blank();
    await page.addInitScript(() => {
      Math.random = () => 0;
      window.said = []; // What #state says, some of which is soon over.
      new MutationObserver(() => {
        const state = document.querySelector("#state")?.textContent;
        if (state && state !== said.at(-1)) {
          said.push(state);
        }
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    // Classic clients that cannot come back give up after a second, not 30.
    await page.route("**/signalr/negotiate?*", async (route) => {
      try {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...await response.json(), DisconnectTimeout: 1 } });
      } catch {
        await route.abort(); // There is no server right now, or none for classic clients.
      }
    });
    await page.context().addCookies([{ name: "user", value: name, url: scene.server.url }]);
    const someone = new Page(name, page);
    await someone.load(`${scene.server.url}/${file}`);
    return someone;
  }

  constructor(name, page) {
    Object.assign(this, { name, page });
  }

  async load(url) {
    await this.page.goto(url);
    await this.page.waitForFunction(() => said.at(-1) === "connected");
  }

  // loses waits until the page has said that it is disconnected.
  loses() {
    return this.page.waitForFunction(() => said.slice(1).includes("disconnected"));
  }

  // returns waits until the page is connected, and was not before.
  returns() {
    return this.page.waitForFunction(() => said.length > 1 && said.at(-1) === "connected");
  }

  // add returns what everybody is to see. The button is not clicked: it moves when
  // somebody else's note comes.
  async add(note) {
    await this.page.fill("input", note);
    await this.page.press("input", "Enter");
    return `${this.name}: ${note}`;
  }

  sees(note) {
    return this.page.locator("#notes").getByText(note, { exact: true }).waitFor();
  }

  async report() {
    await this.page.click("#report");
    await this.page.waitForFunction(() => document.querySelector("progress").value === 100);
  }

  // fails adds what the hub refuses, and returns what the page says of it.
  async fails() {
    await this.add("");
    await this.page.locator("#error:not(:empty)").waitFor();
    return this.page.locator("#error").textContent();
  }
}

// talk has everybody say something that all see. A page is connected before it is
// where notes are heard: it is there when it hears its own.
async function talk(...people) {
  const note = (someone) => someone.add(`note ${++talk.notes}`);
  await Promise.all(people.map(async (someone) => someone.sees(await note(someone))));
  for (const someone of people) {
    const said = await note(someone);
    await Promise.all(people.map((other) => other.sees(said)));
  }
}
talk.notes = 0;

// replace stops the server and starts one with other settings in its place. What
// the pages said before is forgotten, but for the last.
async function replace(scene, people, settings) {
  const { host } = new URL(scene.server.url);
  await Promise.all(people.map(({ page }) => page.evaluate(() => { said.splice(0, said.length - 1); })));
  await scene.server.stop();
  scene.server = await new Board({ ADDR: host, ...settings }).start();
}

group("docs/migration.md", () => {
  scenario("the steps, in order, and back", { HUBWIRE_KEY: "the key of the server that it was." }, async (scene) => {
    // 1: the server is swapped below pages that are open.
    const ann = await Page.open(scene, "ann", "classic.html");
    const bob = await Page.open(scene, "bob", "classic.html");
    await talk(ann, bob);
    await replace(scene, [ann, bob]);
    await Promise.all([ann, bob].map((someone) => someone.loses()));
    await Promise.all([ann, bob].map((someone) => someone.returns()));
    await talk(ann, bob);
    assert.equal(await ann.fails(), "the note is empty");
    assert.deepEqual(await scene.server.status(), { classic: 2 });

    // 2: both families are there; a method that streams serves both.
    const cem = await scene.blank();
    await cem.page.goto(`${scene.server.url}/status`);
    await cem.page.addScriptTag({ url: "/scripts/signalr.js" });
    const [heard] = await Promise.all([
      cem.page.waitForEvent("console", (message) => message.text() === "ann: hello, console"),
      cem.page.evaluate(`(async () => { ${blocks("js").join("\n")} })()`).then(() => ann.add("hello, console")),
    ]);
    assert.ok(heard);
    await cem.page.close();
    await ann.report();

    // 3: bob's page is moved, and then ann's.
    await bob.load(`${scene.server.url}/core.html`);
    await talk(ann, bob);
    await bob.report();
    assert.equal(await bob.fails(), "the note is empty");
    assert.deepEqual(await scene.server.status(), { classic: 1, core: 1 });

    // 4: the classic family is turned off, though ann's page is still open.
    await replace(scene, [ann, bob], { CLASSIC: "off" });
    await bob.returns();
    await ann.loses();
    assert.deepEqual(await scene.server.status(), { core: 1 });

    // Back: it is turned on again.
    await replace(scene, [ann, bob]);
    await Promise.all([ann, bob].map((someone) => someone.returns()));
    await talk(ann, bob);

    // And now for good.
    await ann.load(`${scene.server.url}/core.html`);
    await replace(scene, [ann, bob], { CLASSIC: "off" });
    await Promise.all([ann, bob].map((someone) => someone.returns()));
    await talk(ann, bob);
    assert.deepEqual(await scene.server.status(), { core: 2 });
  }, Board);
});
