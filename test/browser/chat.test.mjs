// examples/chat, used by people: its page in several browser windows.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { before } from "node:test";
import { fileURLToPath } from "node:url";
import { build, group, Program, scenario, transports } from "./harness.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

class Chat extends Program {
  static binary = "chat";

  constructor(flags) {
    super(["-addr", "127.0.0.1:0", "-core", path.join(here, "../node_modules/@microsoft/signalr/dist/browser/signalr.js"), ...flags]);
  }

  read(line) {
    this.lines.push({ text: line, url: line.match(/http:\/\/\S+/)?.[0] });
    this.wake();
  }

  end() {
    this.child.kill("SIGTERM");
  }
}

// A Window is somebody's chat page.
class Window {
  static async open(scene, name, { room = "lobby", origin = scene.server.url, query = "", viewport } = {}) {
    const peer = await scene.blank({ viewport, reducedMotion: "reduce" });
    const { page } = peer;
    await page.goto(`${origin}/${query}`);
    await page.fill("#name", name);
    await page.fill("#first-room", room);
    await page.click("#enter-button");
    await page.waitForSelector("#app[data-state=connected]");
    return new Window(page);
  }

  constructor(page) {
    this.page = page;
  }

  async say(text) {
    await this.page.fill("#text", text);
    await this.page.press("#text", "Enter");
  }

  // sees waits until the conversation in view shows the text, so many times.
  sees(text, times = 1) {
    return this.page.locator("#messages").getByText(text, { exact: false }).filter({ visible: true }).nth(times - 1).waitFor();
  }

  // seesPeople waits until exactly these are listed as being here.
  seesPeople(...names) {
    return this.page.waitForFunction((wanted) => {
      const listed = [...document.querySelectorAll("#people [data-name]")].map((li) => li.dataset.name);
      return JSON.stringify(listed.sort()) === JSON.stringify(wanted);
    }, names.sort());
  }

  // picture saves a screenshot where the environment asks for it.
  async picture(name) {
    if (process.env.SCREENSHOTS) {
      mkdirSync(process.env.SCREENSHOTS, { recursive: true });
      await this.page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`) });
    }
  }
}

// A Cable is a network between browser and server that can be pulled out.
class Cable {
  static async to(url) {
    const cable = new Cable();
    cable.sockets = new Set();
    cable.out = false;
    cable.server = net.createServer((near) => cable.join(near, net.connect(new URL(url).port, "127.0.0.1")));
    await new Promise((resolve) => cable.server.listen(0, "127.0.0.1", resolve));
    cable.url = `http://127.0.0.1:${cable.server.address().port}`;
    return cable;
  }

  join(near, far) {
    for (const [socket, other] of [[near, far], [far, near]]) {
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    if (this.out) {
      near.destroy();
    }
  }

  pull() {
    this.out = true;
    this.sockets.forEach((socket) => socket.destroy());
  }

  plug() {
    this.out = false;
  }

  close() {
    this.pull();
    this.server.close();
  }
}

before(() => build("../../examples/chat"));

group("the chat example", () => {
  const chat = (name, act) => scenario(name, [], act, Chat);

  chat("two people talk, whisper, come and go", async (scene) => {
    const ann = await Window.open(scene, "ann");
    await ann.seesPeople("ann");
    const bob = await Window.open(scene, "bob");
    await ann.seesPeople("ann", "bob");
    await bob.seesPeople("ann", "bob");
    await ann.sees("bob joined");

    await ann.say("Hello, who is here?");
    await bob.sees("Hello, who is here?");
    await bob.say("It is me, <b>bob</b> ✓");
    await ann.sees("It is me, <b>bob</b> ✓");
    await ann.picture("two-people");
    await bob.picture("two-people-bob");

    await ann.page.click("[data-whisper=bob]");
    await ann.say("only for you");
    await ann.sees("only for you");
    await bob.page.click("#whispers [data-person=ann]");
    await bob.sees("only for you");
    await bob.say("and only for you");
    await ann.sees("and only for you");
    await ann.picture("whisper");

    await ann.page.click("#rooms [data-room=lobby]");
    await bob.page.click("#sign-out");
    await ann.sees("bob left");
    await ann.seesPeople("ann");
  });

  chat("rooms are apart", async (scene) => {
    const ann = await Window.open(scene, "ann");
    const bob = await Window.open(scene, "bob");
    await bob.page.fill("#join-room", "garden");
    await bob.page.click("#join-button");
    await bob.seesPeople("bob");
    await bob.say("nice and quiet here");
    await bob.sees("nice and quiet here");
    await ann.page.fill("#join-room", "garden");
    await ann.page.click("#join-button");
    await ann.seesPeople("ann", "bob");
    await bob.say("welcome to the garden");
    await ann.sees("welcome to the garden");
    assert.equal(await ann.page.getByText("nice and quiet here").count(), 0, "said before ann was there");
    await ann.page.click("#leave");
    await bob.sees("ann left");
    await bob.seesPeople("bob");
  });

  chat("the switch forces each transport", async (scene) => {
    const ann = await Window.open(scene, "ann");
    const bob = await Window.open(scene, "bob");
    await bob.seesPeople("ann", "bob");
    for (const [i, transport] of transports.entries()) {
      await ann.page.selectOption("#transport", transport);
      await bob.sees("ann left", i + 1);
      await bob.sees("ann joined", i + 1);
      await ann.page.waitForSelector(`#app[data-state=connected][data-transport=${transport}]`);
      await ann.say(`over ${transport}`);
      await bob.sees(`over ${transport}`);
      await bob.say(`heard over ${transport}`);
      await ann.sees(`heard over ${transport}`);
    }
  });

  for (const transport of transports) {
    chat(`what is said while the network is away is read later, on ${transport}`, async (scene) => {
      const cable = await Cable.to(scene.server.url);
      try {
        const ann = await Window.open(scene, "ann", { origin: cable.url });
        const bob = await Window.open(scene, "bob");
        await bob.seesPeople("ann", "bob");
        await ann.page.selectOption("#transport", transport);
        await bob.sees("ann left"); // The old connection is over, though it may have had the same transport.
        await ann.page.waitForSelector(`#app[data-state=connected][data-transport=${transport}]`);
        await bob.seesPeople("ann", "bob");

        cable.pull();
        await ann.page.waitForSelector("#app[data-state=reconnecting]");
        await bob.say("are you there?");
        await bob.sees("are you there?");
        await ann.picture(`away-${transport}`);
        cable.plug();
        await ann.sees("are you there?");
        await ann.say("back again");
        await bob.sees("back again");
        await bob.seesPeople("ann", "bob");
      } finally {
        cable.close();
      }
    });
  }

  chat("a guest gets a name, and a narrow window works", async (scene) => {
    const guest = await Window.open(scene, "", { viewport: { width: 380, height: 700 } });
    const ann = await Window.open(scene, "ann");
    await guest.sees("ann joined");
    await guest.say("hello from a small screen");
    await ann.sees("hello from a small screen");
    await ann.page.locator("#people [data-name^=guest-]").waitFor();
    await guest.picture("narrow");
    await guest.page.click("#show-side");
    await guest.picture("narrow-drawer");
    await guest.page.click("#rooms [data-room=lobby]");
    await guest.say("and again");
    await ann.sees("and again");
  });

  for (const transport of ["", ...transports]) {
    chat(`the page with the Core client${transport && ` on ${transport}`}, beside one with ours`, async (scene) => {
      const ann = await Window.open(scene, "ann", { query: "?client=core" });
      const bob = await Window.open(scene, "bob");
      await bob.seesPeople("ann", "bob");
      if (transport) {
        await ann.page.selectOption("#transport", transport);
        await bob.sees("ann left");
        await ann.page.waitForSelector(`#app[data-state=connected][data-transport=${transport}]`);
        await bob.seesPeople("ann", "bob");
      }
      await ann.say("Hello from the other family");
      await bob.sees("Hello from the other family");
      await bob.say("Welcome!");
      await ann.sees("Welcome!");
      await ann.page.click("[data-whisper=bob]");
      await ann.say("only for you");
      await bob.page.click("#whispers [data-person=ann]");
      await bob.sees("only for you");
      await bob.say("and for you");
      await ann.sees("and for you");
      await ann.picture(`core-${transport || "automatic"}`);

      await ann.page.fill("#join-room", "two\u0007bells");
      await ann.page.click("#join-button");
      await ann.page.getByText("the name of the room contains characters that cannot be shown").waitFor();
      await ann.page.click("#sign-out");
      await bob.page.click("#rooms [data-room=lobby]");
      await bob.sees("ann left");
      await bob.seesPeople("bob");
    });
  }

  chat("the Core client in a narrow window: a break is mended unseen, a refusal is told", async (scene) => {
    const cable = await Cable.to(scene.server.url);
    try {
      const ann = await Window.open(scene, "ann", { origin: cable.url, query: "?client=core", viewport: { width: 380, height: 700 } });
      const bob = await Window.open(scene, "bob");
      await bob.seesPeople("ann", "bob");
      cable.pull();
      cable.plug();
      await bob.say("are you there?");
      await ann.sees("are you there?");
      await ann.say("I was never away");
      await bob.sees("I was never away");
      assert.equal(await bob.page.getByText("ann left").count(), 0);
      await ann.picture("core-narrow");

      await ann.page.click("#show-side");
      await ann.picture("core-narrow-drawer");
      await ann.page.click("#sign-out");
      await ann.page.fill("#name", "guest-nobody");
      await ann.page.click("#enter-button");
      await ann.page.getByText('names that begin with "guest-" are for guests').waitFor();
      await ann.page.route("**/core/signalr.js", (route) => route.fulfill({ status: 404 }));
      await ann.page.reload();
      await ann.page.click("#enter-button");
      await ann.page.getByText("This server has no Core client.").waitFor();
    } finally {
      cable.close();
    }
  });

  chat("the official client talks in the same room", async (scene) => {
    const ann = await Window.open(scene, "ann");
    const { page } = await scene.blank();
    const peer = scene.peers.at(-1);
    await page.route("**/pages/*", (route) => route.fulfill({ path: path.join(here, new URL(route.request().url()).pathname) }));
    await page.route("**/modules/**", (route) =>
      route.fulfill({ path: path.join(here, new URL(route.request().url()).pathname.replace("/modules/", "../node_modules/")) }));
    await peer.load(`${scene.server.url}/pages/proxies.html`);
    await peer.connect({ url: "/signalr", hubs: { chat: ["addMessage", "joined", "left"] }, query: { name: "carl" } });

    await peer.invoke("chat", "join", "lobby");
    await ann.sees("carl joined");
    await ann.seesPeople("ann", "carl");
    await ann.say("hello carl");
    await peer.wait("message", 2); // That he joined himself, and this.
    await peer.invoke("chat", "say", "lobby", "hello ann");
    await ann.sees("hello ann");
    const said = (await peer.wait("message", 3)).filter((m) => m.method === "addMessage").map((m) => m.args);
    assert.deepEqual(said, [["ann", "hello carl", "lobby"], ["carl", "hello ann", "lobby"]]);
    assert.match((await peer.failure("chat", "whisper", "nobody", "hm")).message, /nobody/);
    await peer.invoke("chat", "leave", "lobby");
    await ann.sees("carl left");
    await ann.seesPeople("ann");
  });
});
