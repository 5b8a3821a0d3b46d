// The example chat as a real server, and a proxy in front of it that breaks connections.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const repository = join(process.cwd(), "..");

/** Builds a program of this repository, in a folder of its own. HUBWIRE_PROGRAM names one that is built already. */
export async function buildProgram(path: string): Promise<{ executable: string; folder: string }> {
  const built = process.env.HUBWIRE_PROGRAM;
  const folder = mkdtempSync(join(tmpdir(), "hubwire-live-"));
  if (built) return { executable: built, folder };
  const executable = join(folder, "program");
  const build = spawn("go", ["build", "-o", executable, path], { cwd: repository, stdio: "inherit" });
  const [code] = await once(build, "exit");
  if (code !== 0) throw new Error(`go build ${path} failed`);
  return { executable, folder };
}

/** A running server. */
export class Chat {
  readonly #process: ChildProcess;
  readonly port: number;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async run(executable: string, port = 0): Promise<Chat> {
    const process = spawn(executable, ["-addr", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "ignore"] });
    for await (const line of createInterface(process.stdout!)) {
      const found = /:(\d+)$/.exec(line);
      if (found) return new Chat(process, Number(found[1]));
    }
    throw new Error("the server did not start");
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    if (this.#process.exitCode === null) await once(this.#process, "exit");
  }
}

/** Passes bytes on to a port of this machine, until it cuts. */
export class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  refuse = false;
  cuts = 0;

  private constructor(target: number) {
    this.#server = createServer((socket) => this.#pass(socket, target));
  }

  static async to(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks all connections, in the middle of whatever they carry. */
  cut(): void {
    this.cuts += this.#pairs.size;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  #pass(near: Socket, target: number): void {
    if (this.refuse) return void near.destroy();
    const far = connect(target, "127.0.0.1");
    const pair: [Socket, Socket] = [near, far];
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on("data", (bytes) => to.write(bytes));
      from.on("error", () => {});
      from.on("close", () => {
        to.end();
        this.#pairs.delete(pair);
      });
    }
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
