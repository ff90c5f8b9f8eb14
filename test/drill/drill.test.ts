/**
 * The drill, for real: the daemon loses nothing, one that is broken on purpose is found out, and nothing is left
 * behind. It loads both cores of a small machine: `npm run test:drill`, beside no other test.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { KINDS } from "../../src/drill/kinds.ts";
import type { DrillResult } from "../../src/drill/result.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitUntil, withLimit } from "../support/wait.ts";

const LIMIT_MS = 120_000;
const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";

interface Run {
  readonly pid: number;
  /** So far. */
  readonly output: () => string;
  readonly ended: Promise<{ exitCode: number | null; out: string; err: string }>;
  /** The processes that it started and that live; its temp folder is in their environment. */
  readonly left: () => number[];
  readonly tempFolder: string;
}

async function start(
  t: TestContext,
  { script, args = [], env = {} }: { script: string; args?: string[]; env?: Record<string, string> },
): Promise<Run> {
  const tempFolder = await tempDir(t, "drill-test");
  const path = fileURLToPath(new URL(`${script}.${EXTENSION}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    env: { ...process.env, ...env, TMPDIR: tempFolder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGTERM"));
  const texts = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    texts.err += text;
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  const ended = closed.then(([exitCode]) => ({ exitCode, ...texts }));
  return {
    pid: child.pid ?? 0,
    output: () => texts.out,
    ended: withLimit(ended, LIMIT_MS, "the drill to end", () => texts.out + texts.err),
    left: () => processesWith(`TMPDIR=${tempFolder}`),
    tempFolder,
  };
}

function processesWith(variable: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(variable);
    } catch {
      return false; // gone
    }
  });
}

test("a drill of the daemon loses nothing, and leaves nothing behind", async (t) => {
  const run = await start(t, { script: "../../src/main", args: ["drill", "--json"] });
  const { exitCode, out, err } = await run.ended;
  assert.equal(err, "");
  const result = JSON.parse(out) as DrillResult;
  assert.equal(result.lost, 0, out);
  assert.equal(result.stale, 0, out);
  assert.equal(exitCode, 0, out);
  assert.equal(result.switches.length, 20);
  for (const kind of KINDS) assert.ok(result.kinds[kind].done > 0, `${kind}: ${out}`);
  assert.ok((result.kill?.connections ?? 0) > 0, "the killed worker held connections");
  assert.deepEqual(run.left(), []);
  assert.deepEqual(readdirSync(run.tempFolder), []);
});

test("a drill of a daemon that confirms a switch before it serves it finds stale answers", async (t) => {
  const run = await start(t, { script: "./drill-of-broken-daemon", env: { DRILL_FAULT: "confirms-early" } });
  const { exitCode, out } = await run.ended;
  const result = JSON.parse(out) as DrillResult;
  assert.ok(result.stale > 0, out);
  assert.equal(result.passed, false);
  assert.equal(exitCode, 1);
});

test("a drill of a daemon that cuts what runs at a switch finds what was lost", async (t) => {
  const run = await start(t, { script: "./drill-of-broken-daemon", env: { DRILL_FAULT: "cuts-at-once" } });
  const { exitCode, out } = await run.ended;
  const result = JSON.parse(out) as DrillResult;
  assert.ok(result.kinds.upload.lost > 0, out);
  assert.equal(result.passed, false);
  assert.equal(exitCode, 1);
});

test("Ctrl-C ends a drill and everything it started", async (t) => {
  const run = await start(t, { script: "../../src/main", args: ["drill"] });
  await waitUntil("the first switch is told", () => run.output().includes("done meanwhile"), {
    limitMs: LIMIT_MS,
  });
  assert.ok(run.left().length >= 6, "the drill, two backends, a primary and two workers");
  process.kill(run.pid, "SIGINT");
  const { exitCode, err } = await run.ended;
  assert.equal(err, "drill: interrupted, so there is no verdict\n");
  assert.equal(exitCode, 1);
  assert.deepEqual(run.left(), []);
  assert.deepEqual(readdirSync(run.tempFolder), []);
});
