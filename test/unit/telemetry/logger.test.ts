import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createLogger, type LoggerOptions } from "../../../src/telemetry/logger.ts";

function logged(options: LoggerOptions, write: (log: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = [];
  write(createLogger(options, { write: (line: string) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line));
}

test("a line is JSON with the level as a word, ISO time, pid and role", () => {
  const [line] = logged({ level: "info", role: "worker", worker: 2 }, (log) => log.warn({ a_b: 1 }, "hello"));
  assert.equal(line.level, "warn");
  assert.match(line.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.equal(line.pid, process.pid);
  assert.equal(line.role, "worker");
  assert.equal(line.worker, 2);
  assert.equal(line.a_b, 1);
  assert.equal(line.msg, "hello");
  assert.equal("hostname" in line, false);
});

test("the primary's lines have no worker, and lines below the level are not written", () => {
  const lines = logged({ level: "warn", role: "primary" }, (log) => {
    log.info("no");
    log.error("yes");
  });
  assert.deepEqual(
    lines.map(({ msg, worker }) => [msg, worker]),
    [["yes", undefined]],
  );
});

test("secrets are not written, down to the third level", () => {
  const secrets = {
    authorization: "hush",
    cookie: "hush",
    "set-cookie": "hush",
    "proxy-authorization": "hush",
    token: "hush",
    admin_token: "hush",
  };
  const text = JSON.stringify(
    logged({ level: "info", role: "primary" }, (log) =>
      log.info({ ...secrets, headers: secrets, config: { admin: secrets }, kept: "kept" }, "x"),
    ),
  );
  assert.doesNotMatch(text, /hush/);
  assert.match(text, /"kept":"kept"/);
  assert.equal(text.match(/\[redacted\]/g)?.length, 18);
});

const LOGGER = new URL("../../../src/telemetry/logger", import.meta.url);
const EXTENSION = fileURLToPath(import.meta.url).endsWith(".ts") ? ".ts" : ".js";

/** A process of its own that logs `lines` lines of 100 bytes or more, then does what `end` says. */
const program = (lines: number, end: string) => [
  "--input-type=module",
  "--eval",
  `import { createLogger } from ${JSON.stringify(LOGGER.href + EXTENSION)};
   const log = createLogger({ level: "info", role: "primary" });
   for (let i = 0; i < ${lines}; i++) log.info({ i }, "line");
   ${end};`,
];

for (const [how, end] of [
  ["process.exit", "process.exit(3)"],
  ["a crash", "throw new TypeError('crash')"],
] as const) {
  test(`lines written just before ${how} reach stdout`, () => {
    const run = spawnSync(process.execPath, program(2_000, end), { encoding: "utf8" });
    assert.notEqual(run.status, 0);
    const lines = run.stdout.trimEnd().split("\n");
    assert.equal(lines.length, 2_000);
    assert.equal(JSON.parse(lines[1_999] ?? "").i, 1_999);
  });
}

test("a reader that stalls does not stall the process", async (t) => {
  // 2,000 lines are more than the 64 KiB that a pipe holds; nobody reads them.
  const tick = "setTimeout(() => process.stderr.write('alive'), 1)";
  const child = spawn(process.execPath, program(2_000, tick), { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const [text] = await once(child.stderr, "data");
  assert.equal(String(text), "alive");
});
