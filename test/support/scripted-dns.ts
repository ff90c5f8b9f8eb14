/** A DNS server that says what a test has it say, over UDP; what a real one does, dnsmasq does (test/debian/). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { onTestEnd, type TestEnd } from "./cleanup.ts";

/** RFC 1035 §4.1.1 */
export const RCODE = { ok: 0, serverFailure: 2, noSuchName: 3 } as const;

/** An address in 4 or 16 bytes with its TTL, a code without any, or null: no answer at all. */
export type Said =
  | { readonly bytes: readonly number[]; readonly ttl: number }
  | { readonly rcode: number }
  | null;

const ASKED_FOR: Readonly<Record<number, "A" | "AAAA">> = { 1: "A", 28: "AAAA" };
const HEAD_BYTES = 12;

/** @param answer to a question for the addresses of one family. */
export async function startScriptedDns(
  t: TestEnd,
  answer: (type: "A" | "AAAA") => Said,
): Promise<{ address: string }> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const nameEnd = query.indexOf(0, HEAD_BYTES);
    const type = ASKED_FOR[query.readUInt16BE(nameEnd + 1)];
    const said = type === undefined ? { rcode: RCODE.ok } : answer(type);
    if (said === null) return;
    const question = query.subarray(HEAD_BYTES, nameEnd + 5);
    socket.send(Buffer.concat([head(query, said), question, record(question, said)]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTestEnd(t, () => socket.close());
  return { address: `127.0.0.1:${socket.address().port}` };
}

function head(query: Buffer, said: NonNullable<Said>): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  query.copy(bytes, 0, 0, 2); // its number
  const rcode = "rcode" in said ? said.rcode : RCODE.ok;
  bytes.writeUInt16BE(0x8180 | rcode, 2); // an answer; recursion was asked for, and there is
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE("bytes" in said ? 1 : 0, 6);
  return bytes;
}

function record(question: Buffer, said: NonNullable<Said>): Buffer {
  if ("rcode" in said) return Buffer.alloc(0);
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(0xc000 | HEAD_BYTES, 0); // the question's name
  question.copy(fixed, 2, question.length - 4); // its type and class
  fixed.writeUInt32BE(said.ttl, 6);
  fixed.writeUInt16BE(said.bytes.length, 10);
  return Buffer.concat([fixed, Buffer.from(said.bytes)]);
}
