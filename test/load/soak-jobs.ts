/** What the clients of the soak do, one connection each: every job checks all that it gets back. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { RawClient, RawResponse } from "../support/raw-client.ts";
import { checkContent, contentOf, WrongBytes } from "./content.ts";
import type { Random } from "./random.ts";

export interface Talk {
  readonly client: RawClient;
  readonly random: Random;
  /** To be told of every answer; @throws Error when it comes from a version that is not active. */
  answered(answer: Pick<RawResponse, "header">): void;
}

export interface Job {
  readonly name: string;
  readonly weight: number;
  /** The connection can be used again afterwards. */
  readonly keeps: boolean;
  /** The backend breaks off on purpose. */
  readonly isMarked?: true;
  run(talk: Talk): Promise<void>;
}

const KIB = 1024;
const MAX_PAUSE_MS = 20;

interface Body {
  readonly id: number;
  readonly length: number;
}

function someBody(random: Random): Body {
  const most = random.pick([
    { weight: 10, bytes: 4 * KIB },
    { weight: 4, bytes: 64 * KIB },
    { weight: 1, bytes: 512 * KIB },
  ]).bytes;
  return { id: random.between(1, 2 ** 31), length: random.between(0, most) };
}

function head(method: string, target: string, fields: readonly string[] = []): string {
  return [`${method} ${target} HTTP/1.1`, "Host: soak.test", ...fields, "", ""].join("\r\n");
}

function targetOf(path: string, { id, length }: Body, more = ""): string {
  return `${path}?id=${id}&length=${length}${more}`;
}

function checkWhole({ status, body, text }: RawResponse, { id, length }: Body): void {
  assert.equal(status, 200, text.slice(0, 200));
  checkContent(body, id);
  if (body.length !== length) throw new WrongBytes(`body ${id} has ${body.length} bytes, not ${length}`);
}

async function read(talk: Talk, options: { method?: string } = {}): Promise<RawResponse> {
  const answer = await talk.client.readResponse(options);
  talk.answered(answer);
  return answer;
}

/** In pieces of any size, with pauses, the first perhaps together with the head. */
async function sendBody({ client, random }: Talk, start: string, body: Body, isChunked: boolean) {
  const pieces = random.between(1, 6);
  client.send(start);
  for (let i = 0; i < pieces; i++) {
    const cut = (n: number): number => Math.floor((body.length * n) / pieces);
    const bytes = contentOf(body.id, cut(i), cut(i + 1));
    if (bytes.length === 0) continue;
    if (isChunked) client.send(`${bytes.length.toString(16)}${random.chance(0.1) ? ";ext=1" : ""}\r\n`);
    client.send(bytes);
    if (isChunked) client.send("\r\n");
    if (random.chance(0.5)) await delay(random.between(0, MAX_PAUSE_MS));
  }
}

async function get(talk: Talk, fields: readonly string[] = []): Promise<RawResponse> {
  const body = someBody(talk.random);
  talk.client.send(head("GET", targetOf("/bytes", body), fields));
  const answer = await read(talk);
  checkWhole(answer, body);
  return answer;
}

async function getKept(talk: Talk): Promise<void> {
  for (let left = talk.random.between(1, 10); left > 0; left--) await get(talk);
}

async function getShort(talk: Talk): Promise<void> {
  const answer = await get(talk, ["Connection: close"]);
  assert.match(answer.header("connection") ?? "", /close/i);
  assert.equal(await talk.client.waitClosed(), "end");
}

async function getHead(talk: Talk): Promise<void> {
  const body = someBody(talk.random);
  talk.client.send(head("HEAD", targetOf("/bytes", body)));
  const answer = await read(talk, { method: "HEAD" });
  assert.equal(answer.status, 200);
  assert.equal(answer.header("content-length"), String(body.length));
  await get(talk); // finds a body that should not be there
}

async function getStream(talk: Talk): Promise<void> {
  const body = someBody(talk.random);
  talk.client.send(head("GET", targetOf("/stream", body, `&pieces=${talk.random.between(1, 20)}`)));
  const answer = await read(talk);
  checkWhole(answer, body);
  assert.equal(answer.framing, "chunked");
  assert.deepEqual(answer.trailers, [["X-End", String(body.id)]]);
}

async function postLength(talk: Talk): Promise<void> {
  const body = someBody(talk.random);
  await sendBody(talk, head("POST", "/echo", [`Content-Length: ${body.length}`]), body, false);
  checkWhole(await read(talk), body);
}

async function postChunked(talk: Talk): Promise<void> {
  const body = someBody(talk.random);
  const fields = ["Transfer-Encoding: chunked", "Trailer: X-Sent", "TE: trailers", "Connection: TE"];
  await sendBody(talk, head("POST", "/echo", fields), body, true);
  talk.client.send(`0\r\nX-Sent: ${body.id}\r\n\r\n`);
  const answer = await read(talk);
  checkWhole(answer, body);
  assert.deepEqual(answer.trailers, [["X-Got", String(body.id)]]);
}

async function postExpecting(talk: Talk): Promise<void> {
  const body = someBody(talk.random);
  const fields = [`Content-Length: ${body.length}`, "Expect: 100-continue"];
  talk.client.send(head("POST", targetOf("/store", body), fields));
  assert.equal((await talk.client.readHead()).status, 100);
  await sendBody(talk, "", body, false);
  const { status, text } = await read(talk);
  if (status === 200 && text !== `stored ${body.length}`) throw new WrongBytes(text);
  assert.equal(status, 200, text);
}

async function postRefused(talk: Talk): Promise<void> {
  talk.client.send(head("POST", "/refuse", ["Content-Length: 1000", "Expect: 100-continue"]));
  const { status, text, interim } = await read(talk);
  assert.deepEqual({ status, text, interim }, { status: 417, text: "refused", interim: [] });
}

async function getPipelined(talk: Talk): Promise<void> {
  const asked = Array.from({ length: talk.random.between(2, 8) }, () => ({
    method: talk.random.chance(0.2) ? "HEAD" : "GET",
    body: someBody(talk.random),
  }));
  talk.client.send(asked.map(({ method, body }) => head(method, targetOf("/bytes", body))).join(""));
  for (const { method, body } of asked) {
    const answer = await read(talk, { method });
    assert.equal(answer.header("content-length"), String(body.length));
    if (method === "GET") checkWhole(answer, body);
  }
}

/** More than the buffers on the way hold, so that the backend is held back too. */
async function getSlowly(talk: Talk): Promise<void> {
  const { client, random } = talk;
  const body = { id: random.between(1, 2 ** 31), length: random.between(2, 12) * KIB * KIB };
  client.send(head("GET", targetOf("/bytes", body)));
  const answer = await client.readHead();
  assert.equal(answer.status, 200);
  talk.answered(answer);
  for (let at = 0; at < body.length; ) {
    const length = Math.min(body.length - at, 512 * KIB);
    client.resume();
    checkContent(await client.readBytes(length), body.id, at);
    client.pause();
    at += length;
    await delay(random.between(0, 10 * MAX_PAUSE_MS));
  }
  client.resume();
}

async function upgrade(talk: Talk): Promise<void> {
  const { client, random } = talk;
  const id = random.between(1, 2 ** 31);
  let [sent, seen] = [0, 0];
  const send = (): void => {
    const length = random.between(1, 16 * KIB);
    client.send(contentOf(id, sent, sent + length));
    sent += length;
  };
  client.send(head("GET", "/echo", ["Connection: Upgrade", "Upgrade: echo"]));
  if (random.chance(0.5)) send(); // before the backend has agreed
  const answer = await client.readHead();
  assert.equal(answer.status, 101);
  talk.answered(answer);
  for (let left = random.between(1, 20); left > 0; left--) {
    send();
    checkContent(await client.readBytes(sent - seen), id, seen);
    seen = sent;
    await delay(random.between(0, MAX_PAUSE_MS));
  }
  client.end();
  assert.equal(await client.waitClosed(), "end");
}

async function breakBefore(talk: Talk): Promise<void> {
  talk.client.send(head("POST", "/break?id=1&length=1&after=-1", ["Content-Length: 0"]));
  const { status, header } = await talk.client.readResponse();
  assert.equal(status, 502);
  assert.match(header("proxy-status") ?? "", /connection_terminated/);
}

async function breakAmid(talk: Talk): Promise<void> {
  const { id, length } = { ...someBody(talk.random), length: 100_000 };
  const after = talk.random.between(1, length - 1);
  talk.client.send(head("GET", targetOf("/break", { id, length }, `&after=${after}`)));
  const answer = await talk.client.readResponse({ allowBroken: true });
  // The end may be seen before anything was passed on.
  if (answer.status === 502) return;
  assert.equal(answer.status, 200);
  checkContent(answer.body, id);
  if (answer.isComplete) throw new WrongBytes(`an answer that broke off after ${after} bytes looks complete`);
}

export const JOBS: readonly Job[] = [
  { name: "kept-alive GETs", weight: 30, keeps: true, run: getKept },
  { name: "short connection", weight: 20, keeps: false, run: getShort },
  { name: "HEAD", weight: 10, keeps: true, run: getHead },
  { name: "stream", weight: 10, keeps: true, run: getStream },
  { name: "upload with length", weight: 15, keeps: true, run: postLength },
  { name: "upload in chunks", weight: 15, keeps: true, run: postChunked },
  { name: "100-continue", weight: 8, keeps: true, run: postExpecting },
  { name: "100-continue refused", weight: 4, keeps: false, run: postRefused },
  { name: "pipelined", weight: 10, keeps: true, run: getPipelined },
  { name: "slow reader", weight: 1, keeps: false, run: getSlowly },
  { name: "upgrade", weight: 8, keeps: false, run: upgrade },
  { name: "broken before the answer", weight: 4, keeps: true, isMarked: true, run: breakBefore },
  { name: "broken amid the answer", weight: 4, keeps: false, isMarked: true, run: breakAmid },
];
