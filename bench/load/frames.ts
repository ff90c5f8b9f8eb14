/** The few frames of WebSocket that a bench needs: whole binary messages of at most 125 bytes. @see RFC 6455 §5.2 */

const FIN_BINARY = 0x82;
const MASKED = 0x80;
const LENGTH_BITS = 0x7f;
const MOST_BYTES = 125;
const MASK_BYTES = 4;

/** As a client sends it. */
export function maskedFrame(payload: Uint8Array, mask: readonly number[]): Buffer {
  assertSmall(payload.length);
  const masked = payload.map((byte, index) => byte ^ (mask[index % MASK_BYTES] ?? 0));
  return Buffer.concat([Buffer.from([FIN_BINARY, MASKED | payload.length, ...mask]), masked]);
}

/** As a server sends it. */
export function plainFrame(payload: Uint8Array): Buffer {
  assertSmall(payload.length);
  return Buffer.concat([Buffer.from([FIN_BINARY, payload.length]), payload]);
}

/** Reads a client's frames one after the other, however they are cut. */
export class ClientFrames {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the echo of every whole message in it and before. @throws RangeError on any other frame. */
  echo(bytes: Buffer): Buffer {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    const echoes: Buffer[] = [];
    let from = 0;
    for (let end = frameEnd(all, from); end <= all.length; end = frameEnd(all, from)) {
      const maskAt = from + 2;
      const payload = Buffer.allocUnsafe(end - maskAt - MASK_BYTES);
      for (let index = 0; index < payload.length; index++) {
        const masked = all[maskAt + MASK_BYTES + index] ?? 0;
        payload[index] = masked ^ (all[maskAt + (index % MASK_BYTES)] ?? 0);
      }
      echoes.push(plainFrame(payload));
      from = end;
    }
    this.#rest = all.subarray(from);
    return echoes.length === 1 && echoes[0] ? echoes[0] : Buffer.concat(echoes);
  }
}

/** Past the end of `bytes` when the frame is not whole. */
function frameEnd(bytes: Buffer, from: number): number {
  const [first, second] = [bytes[from], bytes[from + 1]];
  if (first === undefined || second === undefined) return bytes.length + 1;
  const length = second & LENGTH_BITS;
  if (first !== FIN_BINARY || (second & MASKED) === 0) throw new RangeError(`not a client's frame: ${first}`);
  assertSmall(length);
  return from + 2 + MASK_BYTES + length;
}

function assertSmall(length: number): void {
  if (length > MOST_BYTES) throw new RangeError(`a frame of ${length} bytes; ${MOST_BYTES} at most`);
}
