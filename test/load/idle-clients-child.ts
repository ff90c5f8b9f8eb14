/**
 * Clients that keep their connections: `idle-clients-child PORT LOCAL_ADDRESS COUNT`. Opens them all, tells its
 * parent, and from then on sends one request over each whenever it is told to, and says what came of it.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { endWithParent, tellParent } from "./child.ts";

export interface Asked {
  readonly answered: number;
  /** What was wrong, a few at most. */
  readonly faults: readonly string[];
}

/** At once: fewer than the listener's queue holds, for a SYN that is dropped comes again only after a second. */
const WAVE = 200;
const MAX_FAULTS = 5;
const REQUEST = "GET / HTTP/1.1\r\nHost: load.test\r\n\r\n";
const ANSWER = /^HTTP\/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*Content-Length: 2\r\n(?:[^\r\n]+\r\n)*\r\nok$/;

const [port, localAddress = "", count] = process.argv.slice(2);

class Client {
  readonly #socket: Socket;
  readonly opened: Promise<unknown>;
  #text = "";
  #ending = "";
  #wake = (): void => {};

  constructor() {
    this.#socket = connect({ port: Number(port), host: "127.0.0.1", localAddress });
    this.opened = once(this.#socket, "connect");
    this.#socket.on("data", (bytes) => {
      this.#text += bytes.toString("latin1");
      this.#wake();
    });
    this.#socket.on("error", (error) => this.#end(error.message));
    this.#socket.on("end", () => this.#end("closed by the proxy"));
  }

  #end(how: string): void {
    this.#ending ||= how;
    this.#wake();
  }

  /** @returns what is wrong with the answer; null: nothing. */
  async ask(): Promise<string | null> {
    this.#socket.write(REQUEST);
    while (this.#ending === "" && !this.#text.endsWith("\r\n\r\nok")) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const text = this.#text;
    this.#text = "";
    if (this.#ending !== "") return `${this.#ending}, after ${JSON.stringify(text)}`;
    return ANSWER.test(text) ? null : JSON.stringify(text);
  }
}

const clients: Client[] = [];

async function askAll(): Promise<Asked> {
  const faults: string[] = [];
  let answered = 0;
  for (let from = 0; from < clients.length; from += WAVE) {
    const wave = clients.slice(from, from + WAVE);
    for (const fault of await Promise.all(wave.map((client) => client.ask()))) {
      if (fault === null) answered++;
      else if (faults.length < MAX_FAULTS) faults.push(fault);
    }
  }
  return { answered, faults };
}

endWithParent();
while (clients.length < Number(count)) {
  const wave = Array.from({ length: Math.min(WAVE, Number(count) - clients.length) }, () => new Client());
  clients.push(...wave);
  await Promise.all(wave.map(({ opened }) => opened));
}
process.on("message", () => void askAll().then(tellParent));
tellParent({ answered: 0, faults: [] } satisfies Asked);
