/**
 * The daemon in front of a service that DNS says the addresses of, as a headless service of Kubernetes: several
 * backends on one port, each at an address of its own. The DNS server is a real one.
 * `npm run test:dns`; needs the Debian package dnsmasq-base.
 */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { onTestEnd } from "../support/cleanup.ts";
import { freePort } from "../support/free-port.ts";
import { request } from "../support/http-client.ts";
import { needPrograms } from "../support/program.ts";
import { startProxy, type TestProxy } from "../support/proxy.ts";
import { startScriptedDns } from "../support/scripted-dns.ts";
import { waitUntil, withLimit } from "../support/wait.ts";
import { type DnsServer, startDnsServer } from "./dns-server.ts";

needPrograms({ dnsmasq: "dnsmasq-base" });

const limit = { timeout: 60_000 };
const NAME = "service.test";
/** A TTL of 1 s, a look-up, and a moment for the workers. */
const CHANGE_LIMIT_MS = 10_000;

interface Scene {
  readonly proxy: TestProxy;
  readonly dns: DnsServer;
  /** Answers with its address; `/held` when `held` is told to. */
  startAt(host: string): Promise<TestBackend>;
  readonly held: ServerResponse[];
  /** The addresses that some requests in a row were answered by, each once. */
  answering(): Promise<string>;
}

const REQUESTS_IN_A_ROW = 8;

/** The daemon is not ready yet: its backends may come first. @param hosts null: DNS does not answer yet. */
async function startScene(
  t: TestContext,
  resolve: "name" | "all",
  hosts: readonly string[] | null,
): Promise<Scene> {
  const port = await freePort();
  const held: ServerResponse[] = [];
  const startAt = (host: string): Promise<TestBackend> =>
    startBackend(
      t,
      (req, res) => {
        req.resume();
        if (req.url === "/held") held.push(res);
        else res.end(host);
      },
      { port, host },
    );
  const v2 = await startBackend(t);
  const dns = await startDnsServer(t, { [NAME]: hosts ?? [] });
  if (hosts === null) await dns.kill();
  const proxy = await startProxy(t, {
    v1: "",
    v2: v2.url,
    workers: 2,
    ready: false,
    config: {
      backends: { v1: { targets: [{ url: `http://${NAME}:${port}`, resolve, resolve_every: "1s" }] } },
      upstream: { resolvers: [dns.address] },
    },
  });
  const answering = async (): Promise<string> => {
    const seen = new Set<string>();
    for (let i = 0; i < REQUESTS_IN_A_ROW; i++) {
      const { status, body } = await request(proxy.port);
      seen.add(status === 200 ? body : String(status));
    }
    return [...seen].sort().join(" ");
  };
  return { proxy, dns, held, startAt, answering };
}

/** Several clients, one request after the other. */
function startLoad(t: TestContext, { port }: TestProxy): () => Promise<{ good: number; bad: string[] }> {
  let isOver = false;
  const outcome = { good: 0, bad: [] as string[] };
  const client = async (): Promise<void> => {
    while (!isOver) {
      const seen = await request(port).then(({ status, body }) => (status === 200 ? "" : body), String);
      if (seen === "") outcome.good++;
      else outcome.bad.push(seen);
    }
  };
  const clients = Promise.all([client(), client(), client()]);
  const stop = async () => {
    isOver = true;
    await clients;
    return outcome;
  };
  onTestEnd(t, stop);
  return stop;
}

function answeredBy({ answering, proxy }: Scene, expected: string): Promise<unknown> {
  return waitUntil(`${expected} answer`, async () => (await answering()) === expected, {
    limitMs: CHANGE_LIMIT_MS,
    details: () => proxy.output(),
  });
}

async function lookUpFailed({ proxy }: Scene): Promise<void> {
  const isTold = ({ msg = "" }) => msg.startsWith("a name cannot be looked up");
  await proxy.waitForLog(isTold, CHANGE_LIMIT_MS);
}

/** The requests that are held now, in its name; resolves with the status of each when they are let go. */
async function hold({ proxy, held }: Scene, on: TestBackend): Promise<() => Promise<number[]>> {
  const running: Promise<number>[] = [];
  while (!on.requests.some(({ url }) => url === "/held")) {
    const before = held.length;
    running.push(request(proxy.port, { path: "/held", limitMs: 30_000 }).then(({ status }) => status));
    await waitUntil("it is there", () => held.length > before);
  }
  return () => {
    for (const res of held) res.end();
    return Promise.all(running);
  };
}

test(
  "resolve: all: addresses come and go without a failed request, and outlive the DNS server",
  limit,
  async (t) => {
    const scene = await startScene(t, "all", ["127.0.0.2", "127.0.0.3"]);
    const { proxy, dns, startAt, answering } = scene;
    const leaving = await startAt("127.0.0.2");
    await startAt("127.0.0.3");
    await startAt("127.0.0.4");
    await proxy.waitReady();
    assert.equal(await answering(), "127.0.0.2 127.0.0.3", "from the first request on");
    const stopLoad = startLoad(t, proxy);

    await dns.setNames({ [NAME]: ["127.0.0.2", "127.0.0.3", "127.0.0.4"] });
    await answeredBy(scene, "127.0.0.2 127.0.0.3 127.0.0.4");

    const letGo = await hold(scene, leaving);
    await dns.setNames({ [NAME]: ["127.0.0.3", "127.0.0.4"] });
    await answeredBy(scene, "127.0.0.3 127.0.0.4");
    await waitUntil("only what runs is left on it", () => leaving.connections === 1);
    assert.deepEqual(new Set(await letGo()), new Set([200]));
    await waitUntil("nothing is left on it", () => leaving.connections === 0);
    await leaving.close();

    await dns.kill();
    await lookUpFailed(scene);
    assert.equal(await answering(), "127.0.0.3 127.0.0.4");
    await startAt("127.0.0.5");
    await dns.start({ [NAME]: ["127.0.0.3", "127.0.0.5"] });
    await answeredBy(scene, "127.0.0.3 127.0.0.5");
    const { good, bad } = await stopLoad();
    assert.deepEqual(bad, []);
    assert.ok(good > 100, `${good} requests`);
  },
);

test(
  "resolve: name: connections follow the addresses, and a request that runs ends where it began",
  limit,
  async (t) => {
    const scene = await startScene(t, "name", ["127.0.0.2"]);
    const { proxy, dns, startAt, answering } = scene;
    const leaving = await startAt("127.0.0.2");
    await startAt("127.0.0.3");
    await proxy.waitReady();
    assert.equal(await answering(), "127.0.0.2");
    const stopLoad = startLoad(t, proxy);
    const letGo = await hold(scene, leaving);
    await dns.setNames({ [NAME]: ["127.0.0.3"] });
    await answeredBy(scene, "127.0.0.3");
    await waitUntil("only what runs is left on it", () => leaving.connections === 1);
    assert.deepEqual(await letGo(), [200]);
    await waitUntil("nothing is left on it", () => leaving.connections === 0);
    await dns.kill();
    await lookUpFailed(scene);
    assert.equal(await answering(), "127.0.0.3");
    const { good, bad } = await stopLoad();
    assert.deepEqual(bad, []);
    assert.ok(good > 100, `${good} requests`);
  },
);

test("resolve: name: one address that is dead costs nothing while another lives", limit, async (t) => {
  const scene = await startScene(t, "name", ["127.0.0.2", "127.0.0.3"]);
  await scene.startAt("127.0.0.3");
  await scene.proxy.waitReady();
  assert.equal(await scene.answering(), "127.0.0.3");
});

test("a worker that takes another one's place knows the addresses of now", limit, async (t) => {
  const scene = await startScene(t, "all", ["127.0.0.2"]);
  const { proxy, dns, startAt } = scene;
  await startAt("127.0.0.2");
  await startAt("127.0.0.3");
  await proxy.waitReady();
  await dns.setNames({ [NAME]: ["127.0.0.3"] });
  await answeredBy(scene, "127.0.0.3");
  await dns.kill();
  const [pid = 0] = await proxy.workerPids();
  process.kill(pid, "SIGKILL");
  await waitUntil("it is replaced", async () => {
    const pids = await proxy.workerPids();
    return pids.length === 2 && !pids.includes(pid);
  });
  assert.equal(await scene.answering(), "127.0.0.3");
});

test(
  "a start without DNS is ready all the same, and serves as soon as the name is found",
  limit,
  async (t) => {
    const scene = await startScene(t, "all", null);
    const { proxy, dns, startAt, answering } = scene;
    await startAt("127.0.0.2");
    await proxy.waitReady();
    assert.equal(await answering(), "503");
    await dns.start({ [NAME]: ["127.0.0.2"] });
    await answeredBy(scene, "127.0.0.2");
    const { code } = await proxy.stop();
    assert.equal(code, 0);
  },
);

test(
  "SIGTERM while the first answer is waited for ends the daemon at once, with exit code 0",
  limit,
  async (t) => {
    const asked = Promise.withResolvers<void>();
    const silent = await startScriptedDns(t, () => {
      asked.resolve();
      return null;
    });
    const v1 = { targets: [{ url: `http://${NAME}:9000`, resolve: "all" }] };
    const config = { backends: { v1 }, upstream: { resolvers: [silent.address] } };
    const proxy = await startProxy(t, { v1: "", v2: "http://127.0.0.1:1", config, ready: false });
    await withLimit(asked.promise, 20_000, "a look-up");
    const { code } = await proxy.stop();
    assert.equal(code, 0);
    assert.ok(!proxy.logs().some(({ msg }) => msg === "worker listens"), "a worker was started");
  },
);
