/**
 * A reader of an event stream over a bare socket, as `curl -N` is one. Reads on by itself and keeps everything.
 *
 * Understands chunked framing and the lines of an event; repairs nothing and does not connect again.
 */
import type { TestEnd } from "./cleanup.ts";
import type { JsonObject } from "./http-client.ts";
import { openRaw, type RawClient, type ResponseHead } from "./raw-client.ts";
import { waitUntil } from "./wait.ts";

export interface SeenEvent {
  readonly id: string;
  readonly type: string;
  readonly data: JsonObject;
}

export interface EventReader {
  readonly client: RawClient;
  readonly head: ResponseHead;
  /** Every event so far, oldest first. */
  readonly events: readonly SeenEvent[];
  /** Everything that was no event: comments and `retry`. */
  readonly otherLines: readonly string[];
  /** The last chunk came: the stream was ended, not cut. */
  readonly isEnded: boolean;
  /** The first event that matches, of those that came or will come. */
  waitFor(type: string, matches?: (data: JsonObject) => boolean, limitMs?: number): Promise<SeenEvent>;
}

/** Connects and reads the head; what follows is read in the background until the connection is gone. */
export async function readEvents(
  t: TestEnd,
  port: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventReader> {
  const client = await openRaw(port, { t });
  const fields = Object.entries({ Host: "127.0.0.1", ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  client.send(`GET /events HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
  const reader = new Reader(client, await client.readHead());
  if (reader.head.header("transfer-encoding") === "chunked") void reader.read();
  return reader;
}

/** No test lives as long. */
const FOREVER_MS = 600_000;

class Reader implements EventReader {
  readonly client: RawClient;
  readonly head: ResponseHead;
  readonly events: SeenEvent[] = [];
  readonly otherLines: string[] = [];
  isEnded = false;
  #rest = "";

  constructor(client: RawClient, head: ResponseHead) {
    this.client = client;
    this.head = head;
  }

  async waitFor(type: string, matches: (data: JsonObject) => boolean = () => true, limitMs = 5_000) {
    const find = () => this.events.find((event) => event.type === type && matches(event.data));
    const details = () => JSON.stringify(this.events, null, 1);
    return await waitUntil(`an event ${type} comes`, find, { limitMs, details });
  }

  /** Never rejects: the end of the connection ends it. */
  async read(): Promise<void> {
    try {
      for (;;) {
        const size = Number.parseInt(await this.client.readUntil("\r\n", FOREVER_MS), 16);
        const chunk = await this.client.readBytes(size + 2, FOREVER_MS);
        if (size === 0) {
          this.isEnded = true;
          return;
        }
        this.#take(chunk.subarray(0, size).toString());
      }
    } catch {
      // Cut. Whoever expected more says so.
    }
  }

  #take(text: string): void {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    for (const block of blocks) this.#takeBlock(block.split("\n"));
  }

  #takeBlock(lines: readonly string[]): void {
    const fields = new Map<string, string>();
    for (const line of lines) {
      const [, name = "", value = ""] = /^(id|event|data): (.*)$/.exec(line) ?? [];
      if (name === "") this.otherLines.push(line);
      else fields.set(name, value);
    }
    const data = fields.get("data");
    if (data === undefined) return;
    this.events.push({ id: fields.get("id") ?? "", type: fields.get("event") ?? "", data: JSON.parse(data) });
  }
}
