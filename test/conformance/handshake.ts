/** Handshakes that cases open their tunnels with. */
import type { RawClient } from "../support/raw-client.ts";
import { get, type Scene } from "./case.ts";
import type { SeenRequest } from "./seen-request.ts";

/** The fields of the example in RFC 6455 §1.2; some proxies refuse a handshake without a key. */
export const WEBSOCKET_FIELDS = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
] as const;

const ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

export const SWITCHING = switching("websocket", ACCEPT);

/** @param fields more whole lines. */
export function switching(protocol: string, ...fields: readonly string[]): string {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    `Upgrade: ${protocol}`,
    ...fields,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** @param fields more whole lines. */
export function handshake(target = "/", ...fields: readonly string[]): string {
  return get(target, ...WEBSOCKET_FIELDS, ...fields);
}

/** An open tunnel, with nothing in it yet. */
export interface OpenTunnel {
  readonly client: RawClient;
  /** The backend's end. */
  readonly backend: RawClient;
  /** The handshake that it was opened with. */
  readonly seen: SeenRequest;
}

/** @param client on which to ask; a new one unless given. */
export async function openTunnel(scene: Scene, client?: RawClient): Promise<OpenTunnel> {
  const asking = client ?? (await scene.open());
  asking.send(handshake());
  const seen = await scene.backend.request();
  const backend = seen.accept(SWITCHING);
  await readSwitching(asking);
  return { client: asking, backend, seen };
}

/** Reads the 101. @throws Error when it is anything else. */
export async function readSwitching(client: RawClient): Promise<void> {
  const { status, reason } = await client.readHead();
  if (status !== 101) throw new Error(`the handshake was answered ${status} ${reason}`);
}
