/**
 * A real DNS server, dnsmasq, on a port of loopback of its own: knows the names that a test gives it, forgets them
 * when told to, and can be killed and started again.
 */
import { Resolver } from "node:dns/promises";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { startProgram } from "../support/program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait.ts";

/** Addresses by name; names end in `.test`, of which it knows no others. */
export type Names = Readonly<Record<string, readonly string[]>>;

/** A name of its own, by which is seen which of its answers are in force. */
const MARK = "mark.test";

export class DnsServer {
  /** As `upstream.resolvers` takes it. */
  readonly address: string;
  readonly #t: TestEnd;
  readonly #dir: string;
  readonly #port: number;
  #changes = 0;

  constructor(t: TestEnd, dir: string, port: number) {
    this.#t = t;
    this.#dir = dir;
    this.#port = port;
    this.address = `127.0.0.1:${port}`;
  }

  /** Resolves when it answers so. */
  async setNames(names: Names): Promise<void> {
    await this.#write(names);
    await this.#signal("SIGHUP");
    await this.#changed();
  }

  async start(names: Names): Promise<void> {
    await this.#write(names);
    const file = (name: string): string => join(this.#dir, name);
    const output = startProgram(this.#t, "dnsmasq", [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      `--port=${this.#port}`,
      `--addn-hosts=${file("hosts")}`,
      `--pid-file=${file("pid")}`,
      "--local=/test/",
      "--local-ttl=1",
      "--log-facility=-",
      ...(process.getuid?.() === 0 ? ["--user=root"] : []), // or it could not read the hosts again
    ]);
    await this.#changed(output);
  }

  /** Without a word to anybody. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#signal("SIGKILL");
    await waitUntil("no DNS server answers", async () => (await this.#markNow()) === null);
  }

  async #write(names: Names): Promise<void> {
    const all = { ...names, [MARK]: [`10.1.0.${++this.#changes}`] };
    const lines = Object.entries(all).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}\n`),
    );
    await writeFile(join(this.#dir, "hosts"), lines.join(""));
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    process.kill(Number(await readFile(join(this.#dir, "pid"), "utf8")), signal);
  }

  #changed(details?: () => string): Promise<unknown> {
    const isChanged = async (): Promise<boolean> => (await this.#markNow()) === `10.1.0.${this.#changes}`;
    return waitUntil("the DNS server answers", isChanged, details ? { details } : {});
  }

  /** null: there is no answer. */
  async #markNow(): Promise<string | null> {
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers([this.address]);
    const [address = null] = await resolver.resolve4(MARK).catch(() => []);
    return address;
  }
}

export async function startDnsServer(t: TestEnd, names: Names): Promise<DnsServer> {
  const server = new DnsServer(t, await tempDir(t, "dns"), await freePort());
  await server.start(names);
  return server;
}
