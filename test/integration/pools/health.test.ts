/** Probes in the background, seen from outside: who gets traffic, who is probed, and how it ends. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { startBackend, startRawBackend, type TestBackend } from "../../support/backend.ts";
import { type LogLine, startProxy, type TestProxy } from "../../support/proxy.ts";
import { waitUntil } from "../../support/wait.ts";

const limit = { timeout: 60_000 };
const HEALTH = { interval: "200ms", timeout: "200ms", unhealthy_after: 3, healthy_after: 2 };

interface Member {
  readonly backend: TestBackend;
  /** What its health page says; its traffic is answered with 200 whatever that is. */
  status: number;
}

/** Answers its traffic with its name. */
async function startMember(t: TestContext, name: string): Promise<Member> {
  const answer = (path: string | undefined, res: ServerResponse): void => {
    if (path === "/health") res.writeHead(member.status).end();
    else res.end(name);
  };
  const member: Member = {
    backend: await startBackend(t, (req, res) => {
      req.resume();
      answer(req.url, res);
    }),
    status: 200,
  };
  return member;
}

const probesOf = ({ backend }: Member): number =>
  backend.requests.filter(({ url }) => url === "/health").length;

const isOut =
  ({ backend }: Member) =>
  (line: LogLine): boolean =>
    line.verdict === "unhealthy" && line.backend === backend.url;

/** Who answers, of so many requests. */
async function answering(proxy: TestProxy, count = 24): Promise<string> {
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const answer = await fetch(proxy.url, { headers: { connection: "close" } });
    assert.equal(answer.status, 200);
    seen.add(await answer.text());
  }
  return [...seen].sort().join("");
}

async function startPool(t: TestContext) {
  const members = {
    a: await startMember(t, "a"),
    b: await startMember(t, "b"),
    c: await startMember(t, "c"),
  };
  const standby = await startMember(t, "v2");
  const targets = Object.values(members).map(({ backend }) => backend.url);
  const proxy = await startProxy(t, {
    v1: targets[0] ?? "",
    v2: standby.backend.url,
    workers: 2,
    config: {
      backends: {
        v1: { targets, health: HEALTH },
        v2: { targets: [standby.backend.url], health: { ...HEALTH, interval: "400ms" } },
      },
    },
  });
  return { ...members, standby, proxy };
}

test(
  "a backend whose health page fails gets no traffic on any worker, and gets it again when it is well",
  limit,
  async (t) => {
    const { b, proxy } = await startPool(t);
    await waitUntil("all three answer", async () => (await answering(proxy)) === "abc");
    b.status = 503;
    const line = await proxy.waitForLog(isOut(b));
    assert.deepEqual([line.version, line.backend, line.saw], ["v1", b.backend.url, "503, expected 200-399"]);
    await waitUntil("two are left", async () => (await answering(proxy)) === "ac");
    b.status = 200;
    await waitUntil("it is back", async () => (await answering(proxy)) === "abc");
  },
);

test("standby versions are probed, each backend once per interval whatever the workers", limit, async (t) => {
  const { a, b, c, standby } = await startPool(t);
  await waitUntil("it has been probed", () => probesOf(standby) >= 2);
  const before = [a, b, c].map(probesOf);
  const standbyBefore = probesOf(standby);
  await waitUntil("ten more intervals", () => probesOf(a) >= (before[0] ?? 0) + 10);
  for (const [i, member] of [b, c].entries()) {
    const count = probesOf(member) - (before[i + 1] ?? 0);
    assert.ok(count >= 8 && count <= 12, `${count} probes while another had 10`);
  }
  const count = probesOf(standby) - standbyBefore;
  assert.ok(count >= 3 && count <= 7, `${count} probes with half as many turns`);
});

test("the verdicts reach a worker that is started later", limit, async (t) => {
  const { c, proxy } = await startPool(t);
  c.status = 500;
  await proxy.waitForLog(isOut(c));
  const before = await proxy.workerPids();
  for (const pid of before) process.kill(pid, "SIGKILL");
  const othersAreThere = async (): Promise<boolean> => {
    const { workers } = await proxy.status();
    return workers.filter(({ pid, state }) => state === "listening" && !before.includes(pid)).length === 2;
  };
  await waitUntil("others are there", othersAreThere, { limitMs: 20_000 });
  assert.equal(await answering(proxy), "ab");
});

test("without a health section nobody is probed in the background", limit, async (t) => {
  const [v1, v2] = [await startMember(t, "v1"), await startMember(t, "v2")];
  const proxy = await startProxy(t, {
    v1: v1.backend.url,
    v2: v2.backend.url,
    config: {
      backends: { v1: { targets: [v1.backend.url] }, v2: { targets: [v2.backend.url], health: HEALTH } },
    },
  });
  await waitUntil("the other one is", () => probesOf(v2) >= 10);
  assert.equal(probesOf(v1), 0);
  assert.equal(await answering(proxy, 4), "v1");
});

test("a daemon whose probe hangs ends without waiting for it", limit, async (t) => {
  const silent = await startRawBackend(t, (socket) => socket.resume());
  const v1 = await startMember(t, "v1");
  const proxy = await startProxy(t, {
    v1: v1.backend.url,
    v2: silent.url,
    config: { backends: { v2: { targets: [silent.url], health: { interval: "60s", timeout: "60s" } } } },
  });
  await waitUntil("it is probed", () => silent.connections === 1);
  const startedMs = performance.now();
  assert.equal((await proxy.stop()).code, 0);
  assert.ok(performance.now() - startedMs < 10_000);
  await waitUntil("its connection is closed", () => silent.connections === 0);
});
