/** Listeners by path, so that many tests of one file share one backend and one daemon. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

export class Routes {
  readonly #listeners = new Map<string, RequestListener>();

  /** What requests for `path`, whatever their query, get from now on. Other paths get 200 `ok`. */
  on(path: string, listener: RequestListener): void {
    this.#listeners.set(path, listener);
  }

  readonly listener = (req: IncomingMessage, res: ServerResponse): void => {
    const [path = ""] = (req.url ?? "").split("?");
    const listener = this.#listeners.get(path);
    if (listener !== undefined) return listener(req, res);
    req.resume();
    res.end("ok");
  };
}

/** The whole body of a request. */
export async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
