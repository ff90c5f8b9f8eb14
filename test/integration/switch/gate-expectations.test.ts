/**
 * What the gate's probes send and expect beside a status: each key lets a good target pass and refuses a bad one, with
 * the reason in the 422, in the history and in the status; and what is sent stays a secret.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Reply } from "../../support/http-client.ts";
import { type Pair, probesOf, startPair } from "../../support/pair.ts";

const limit = { timeout: 40_000 };
const SECRET = "s3cret-0123456789";

interface Gate {
  readonly workers: readonly { readonly probes: readonly { readonly ok: boolean; readonly saw: string }[] }[];
}

async function startGate(
  t: TestContext,
  probe: object,
  isGood: { now: boolean },
  answers: Answers,
): Promise<Pair> {
  const pair = await startPair(t, {
    workers: 2,
    config: {
      switch: { min_interval: "0s", probe: { successes: 2, interval: "10ms", timeout: "10s", ...probe } },
    },
  });
  pair.behave.v2 = (req, res) => (isGood.now ? answers.good(req, res) : answers.bad(req, res));
  return pair;
}

const switchTo = ({ proxy }: Pair, extra: object = {}): Promise<Reply> =>
  proxy.admin("POST", "/switch", { body: { version: "v2", ...extra }, limitMs: 20_000 });

const sightingsOf = (gate: Gate): string[] =>
  gate.workers.flatMap(({ probes }) => probes.filter(({ ok }) => !ok).map(({ saw }) => saw));

interface Answers {
  readonly good: RequestListener;
  readonly bad: RequestListener;
}

/** Longer than `max_latency` below, by what a timer may be early. */
const SLOW_MS = 1_010;

const CASES: readonly (Answers & { readonly probe: object; readonly saw: RegExp })[] = [
  {
    probe: { expect_headers: { "X-Version": "v2", Server: "*" } },
    good: (_req, res) => void res.writeHead(200, { "X-Version": ["v1", "v2"], Server: "a" }).end(),
    bad: (_req, res) => void res.writeHead(200, { "X-Version": "v1", Server: "a" }).end(),
    saw: /^200, expected the field x-version: v2, found v1$/,
  },
  {
    probe: { expect_headers: { "X-Ready": null } },
    good: (_req, res) => void res.writeHead(200, { "x-ready": "" }).end(),
    bad: (_req, res) => void res.end(),
    saw: /^200, expected the field x-ready, found none$/,
  },
  {
    probe: { expect_body: '"db":"ok"' },
    good: (_req, res) => void res.write('{"db":"o', () => res.end('k"}')),
    bad: (_req, res) => void res.end('{"db":\u001b[2J\n"starting"}'),
    saw: /^200, expected a body with ""db":"ok"", found "\{"db":\ufffd\[2J "starting"\}"$/,
  },
  {
    probe: { max_latency: "1s" },
    good: (_req, res) => void res.end(),
    bad: (_req, res) => void res.write("a", () => setTimeout(() => res.end(), SLOW_MS)),
    saw: /^200 after 1\d\d\d ms, expected at most 1000 ms$/,
  },
  {
    probe: { host: "app.example.com:8443", path: "/probe" },
    good: (req, res) => void res.writeHead(req.headers.host === "app.example.com:8443" ? 200 : 421).end(),
    bad: (_req, res) => void res.writeHead(421).end(),
    saw: /^421, expected 200-399$/,
  },
  {
    probe: { headers: { Authorization: `Bearer ${SECRET}` }, expect_body: "healthy" },
    good: (req, res) =>
      void res.writeHead(req.headers.authorization === `Bearer ${SECRET}` ? 200 : 401).end("healthy"),
    bad: (req, res) => void res.end(`who is ${req.headers.authorization}?`),
    saw: /^200, expected a body with "healthy", found a part of the probe's headers \(not shown\)$/,
  },
];

for (const { probe, saw, ...answers } of CASES) {
  const what = JSON.stringify(probe).replace(SECRET, "…");
  test(`${what} lets a good target pass and says why it refuses a bad one`, limit, async (t) => {
    const isGood = { now: false };
    const pair = await startGate(t, probe, isGood, answers);
    const refused = await switchTo(pair);
    assert.equal(refused.status, 422, refused.body);
    const problem = refused.json();
    assert.equal(problem.code, "GATE_REFUSED");
    assert.ok(
      sightingsOf(problem.gate as Gate).some((sighting) => saw.test(sighting)),
      refused.body,
    );
    const [, said = ""] = /health check: (.*); nothing changed$/s.exec(String(problem.message)) ?? [];
    assert.match(said, saw);

    const seen = probesOf(pair.v2).length;
    const passing = switchTo(pair, { wait: "15s" });
    await pair.v2.requestsSeen(seen + 2);
    isGood.now = true;
    const passed = await passing;
    assert.equal(passed.status, 200, passed.body);

    const history = await pair.proxy.admin("GET", "/history");
    const [entry] = history.json().entries as readonly { readonly gate: Gate }[];
    assert.ok(entry !== undefined);
    const kept = sightingsOf(entry.gate);
    assert.ok(kept.length > 0 && kept.every((sighting) => saw.test(sighting)), history.body);
    await assertSecretIsKept(pair, [refused.body, passed.body, history.body]);
  });
}

/** Wherever the daemon writes or answers. */
async function assertSecretIsKept({ proxy }: Pair, bodies: readonly string[]): Promise<void> {
  const files = await readdir(proxy.stateDir);
  const kept = files
    .filter((name) => name === ".version" || name.startsWith(".history"))
    .map((name) => readFile(join(proxy.stateDir, name), "utf8"));
  const status = (await proxy.admin("GET", "/status")).body;
  const metrics = (await proxy.admin("GET", "/metrics")).body;
  assert.equal(kept.length, 2);
  for (const text of [
    ...bodies,
    status,
    metrics,
    JSON.stringify(proxy.logs()),
    ...(await Promise.all(kept)),
  ]) {
    assert.ok(!text.includes(SECRET), text);
  }
}
