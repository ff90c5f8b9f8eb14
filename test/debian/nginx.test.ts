/**
 * With a real nginx behind the daemon and in front of it, and load from ab and wrk across switches.
 * `npm run test:nginx`; needs the Debian packages nginx, apache2-utils and wrk.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { type IncomingMessage, request as openRequest } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { TestEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { type Reply, type RequestOptions, request } from "../support/http-client.ts";
import { needPrograms, runProgram } from "../support/program.ts";
import { startProxy, type TestProxy } from "../support/proxy.ts";
import { tempDir } from "../support/temp-dir.ts";
import { withLimit } from "../support/wait.ts";
import { MAX_BODY_BYTES, type Nginx, startNginx } from "./nginx-server.ts";

needPrograms({ nginx: "nginx", ab: "apache2-utils", wrk: "wrk" });

const MIB = 2 ** 20;
const CHUNK_BYTES = 10_000;
const LOAD_SECONDS = 4;
const LOAD_LIMIT_MS = 30_000;
const CONNECTIONS = 16;
const SWITCHES = 10;
const BETWEEN_SWITCHES_MS = 100;

const TEXT = "all work and no play ".repeat(20_000);
const GZIP = { path: "/files/a.text", headers: { "accept-encoding": "gzip" } };

const end: TestEnd = { after }; // of the whole file: an after() within before() runs when that ends
const dir = await tempDir(end, "nginx");
let nginx: Nginx;
let proxy: TestProxy;

before(async () => {
  const ports = { v1: await freePort(), v2: await freePort() };
  const [v1, v2] = [`http://127.0.0.1:${ports.v1}`, `http://127.0.0.1:${ports.v2}`];
  proxy = await startProxy(end, { v1, v2, workers: 2 });
  nginx = await startNginx(end, dir, { ...ports, daemon: proxy.port });
  await writeFile(join(nginx.files, "a.text"), TEXT);
});

/** What says how a message is framed and what it means; the rest is the same anyway or names the hop. */
function essence({ status, headers, bytes }: Reply): object {
  const names = ["content-type", "content-length", "content-encoding", "content-range", "etag", "x-version"];
  const kept = Object.fromEntries(names.map((name) => [name, headers[name]]));
  return { status, ...kept, chunked: headers["transfer-encoding"], bytes: bytes.toString("base64") };
}

test("answers of nginx come through as they are: file, range, not modified, missing, HEAD", async () => {
  await writeFile(join(nginx.files, "a.bin"), randomBytes(64 * 1024));
  const { headers } = await request(nginx.v1, { path: "/files/a.bin" });
  const etag = String(headers.etag);
  const cases: readonly RequestOptions[] = [
    { path: "/files/a.bin" },
    { path: "/files/a.bin", headers: { range: "bytes=10-20" } },
    { path: "/files/a.bin", headers: { range: "bytes=99999999-" } },
    { path: "/files/a.bin", headers: { "if-none-match": etag } },
    { path: "/files/a.bin", method: "HEAD" },
    { path: "/files/missing" },
    { path: "/", method: "HEAD" },
    { path: "/%2e/a%20b?c=%zz" },
  ];
  for (const options of cases) {
    const [direct, through] = [await request(nginx.v1, options), await request(proxy.port, options)];
    assert.deepEqual(essence(through), essence(direct), JSON.stringify(options));
  }
});

test("a chunked gzip answer of nginx comes through chunked, gzipped and byte for byte the same", async () => {
  const [direct, through] = [await request(nginx.v1, GZIP), await request(proxy.port, GZIP)];
  assert.equal(through.headers["content-encoding"], "gzip");
  assert.equal(through.headers["transfer-encoding"], "chunked");
  assert.deepEqual(essence(through), essence(direct));
  assert.equal(gunzipSync(through.bytes).toString(), TEXT);
});

async function putInChunks(path: string, body: Buffer): Promise<number | undefined> {
  const outgoing = openRequest({ port: proxy.port, host: "127.0.0.1", method: "PUT", path, agent: false });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  for (let at = 0; at < body.length; at += CHUNK_BYTES) outgoing.write(body.subarray(at, at + CHUNK_BYTES));
  outgoing.end();
  const [response] = await withLimit(answered, 10_000, `an answer to PUT ${path}`);
  response.resume();
  return response.statusCode;
}

test("1 MiB uploaded with PUT reaches nginx whole, with a length and in chunks", async () => {
  const body = randomBytes(MIB);
  const whole = await request(proxy.port, { method: "PUT", path: "/files/whole", body });
  const inChunks = await putInChunks("/files/in-chunks", body);
  assert.deepEqual([whole.status, inChunks], [201, 201]);
  for (const name of ["whole", "in-chunks"]) {
    assert.ok((await readFile(join(nginx.files, name))).equals(body), name);
  }
});

test("a body that nginx finds too large gets nginx's own 413, and the daemon goes on", async () => {
  const body = Buffer.alloc(MAX_BODY_BYTES + 1);
  const answer = await request(proxy.port, { method: "PUT", path: "/files/large", body });
  assert.equal(answer.status, 413);
  assert.match(answer.body, /nginx/);
  assert.equal((await request(proxy.port)).status, 200);
});

test("connections to nginx are kept: many requests come over as many as there are workers at most", async () => {
  const seen = new Set<string>();
  for (let n = 0; n < 50; n++) seen.add((await request(proxy.port, { path: "/connection" })).body);
  assert.ok(seen.size <= 2, `${seen.size} connections for 50 requests, one after the other`);
});

for (const [name, port] of [
  ["HTTP/1.1 with kept connections", () => nginx.front11],
  ["HTTP/1.0", () => nginx.front10],
] as const) {
  test(`nginx in front of the daemon, over ${name}, gets whole answers`, async () => {
    const body = randomBytes(MIB);
    const put = await request(port(), { method: "PUT", path: "/files/front", body });
    assert.ok([201, 204].includes(put.status), put.body);
    const got = await request(port(), { path: "/files/front" });
    assert.deepEqual([got.status, got.bytes.equals(body)], [200, true]);
    assert.equal((await request(port(), { path: GZIP.path })).body, TEXT);
    assert.equal((await request(port(), { method: "HEAD" })).status, 200);
  });
}

/** Runs `load` while switching to and fro. @returns what the load program printed. */
async function underSwitches(load: () => Promise<string>): Promise<string> {
  let isRunning = true;
  const loaded = load().finally(() => {
    isRunning = false;
  });
  loaded.catch(() => undefined); // awaited below
  let switches = 0;
  let active = (await proxy.status()).current_version;
  while (isRunning) {
    await delay(BETWEEN_SWITCHES_MS);
    active = active === "v1" ? "v2" : "v1";
    await proxy.switchTo(active);
    if (isRunning) switches++;
  }
  const output = await loaded;
  assert.ok(switches >= SWITCHES, `only ${switches} switches during the load`);
  return output;
}

function numberIn(output: string, pattern: RegExp): number {
  const found = pattern.exec(output)?.[1];
  assert.ok(found !== undefined, `no ${pattern} in\n${output}`);
  return Number(found);
}

for (const [name, flags] of [
  ["kept-alive connections", ["-k"]],
  ["a connection for each request", []],
] as const) {
  test(`ab with ${name} sees no failed request across ${SWITCHES} switches and more`, async (t) => {
    const args = [...flags, "-q", "-t", `${LOAD_SECONDS}`, "-n", "10000000", "-c", `${CONNECTIONS}`];
    const output = await underSwitches(() =>
      runProgram("ab", [...args, `${proxy.url}/`], { limitMs: LOAD_LIMIT_MS }),
    );
    const complete = numberIn(output, /Complete requests:\s+(\d+)/);
    assert.equal(numberIn(output, /Failed requests:\s+(\d+)/), 0, output);
    assert.doesNotMatch(output, /Non-2xx responses|Write errors:\s+[1-9]/);
    assert.ok(complete > 1_000, output);
    if (flags.length > 0) assert.equal(numberIn(output, /Keep-Alive requests:\s+(\d+)/), complete);
    t.diagnostic(`${complete} requests`);
  });
}

test(`wrk sees no socket error and no status but 200 across ${SWITCHES} switches and more`, async (t) => {
  const args = ["-t", "1", "-c", `${CONNECTIONS}`, "-d", `${LOAD_SECONDS}s`];
  const output = await underSwitches(() =>
    runProgram("wrk", [...args, `${proxy.url}/`], { limitMs: LOAD_LIMIT_MS }),
  );
  const complete = numberIn(output, /(\d+) requests in/);
  assert.doesNotMatch(output, /Socket errors|Non-2xx/);
  assert.ok(complete > 1_000, output);
  t.diagnostic(`${complete} requests`);
});
