/** What a bad config gets, at the real command line: exit code 2, every problem at once, no stack, nothing started. */
import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { runDaemon } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";

const dir = await tempDir({ after }, "bad-config");
let count = 0;

const BACKENDS = 'backends: { v1: "http://127.0.0.1:1", v2: "http://127.0.0.1:2" }\n';
const GOOD = `${BACKENDS}active_version: v1\n`;

async function fileWith(text: string | Uint8Array): Promise<string> {
  const folder = join(dir, String(++count));
  await mkdir(folder);
  const file = join(folder, "config.yaml");
  await writeFile(file, text);
  return file;
}

/** What the daemon, or `check`, says before it ends with exit code 2. */
async function refusal(
  file: string,
  {
    command = [],
    env = {},
    args = [],
  }: { command?: string[]; env?: Record<string, string>; args?: string[] } = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await runDaemon([...command, "--config", file, ...args], { env });
  assert.deepEqual([code, signal], [2, null], stdout + stderr);
  assert.equal(stdout, "");
  assert.doesNotMatch(stderr, /\n\s+at .*[.:]\d+|Error:|node_modules/, "a stack, or a library's own words");
  assert.ok(stderr.length < 20_000);
  return stderr;
}

interface Case {
  readonly text: string | Uint8Array;
  /** What the operator must be told. */
  readonly says: readonly RegExp[];
}

const CASES: Readonly<Record<string, Case>> = {
  "an unknown key": {
    text: `${GOOD}switch:\n  min_intervall: 5m\n`,
    says: [/switch\.min_intervall \(line 4\)/, /unknown key/, /did you mean "min_interval"/],
  },
  "a wrong type": {
    text: `${GOOD}server: { port: "eight" }\n`,
    says: [/server\.port \(line 3\)/, /whole number from 0 to 65535/, /"eight"/],
  },
  "an ftp URL": {
    text: 'backends:\n  v1: "ftp://127.0.0.1"\n  v2: "http://127.0.0.1:2"\nactive_version: v1\n',
    says: [/backends\.v1 \(line 2\)/, /ftp/, /only http:\/\/ and https:\/\//],
  },
  "one backend only": {
    text: 'backends: { v1: "http://127.0.0.1:1" }\nactive_version: v1\n',
    says: [/backends/, /2 to \d+ versions/, /found 1/],
  },
  "no backends": { text: "active_version: v1\n", says: [/backends/, /missing/] },
  "a duplicate key": {
    text: `${GOOD}log: { level: info }\nlog: { level: debug }\n`,
    says: [/log \(line 4\)/, /duplicate key/, /line 3/],
  },
  "broken syntax": { text: `${GOOD}server: { port: 8080\n`, says: [/line \d/] },
  "nothing in it": { text: "", says: [/empty/] },
  "a list at the top": { text: "- v1\n- v2\n", says: [/server and backends/] },
  "binary content": { text: new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0]), says: [/text/] },
  "an alias bomb": {
    text: `${GOOD}a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`,
    says: [/./],
  },
};

for (const [name, { text, says }] of Object.entries(CASES)) {
  test(`a config with ${name} is refused, and it is said where and why`, { timeout: 30_000 }, async () => {
    const told = await refusal(await fileWith(text));
    for (const pattern of says) assert.match(told, pattern);
  });
}

test("all problems come at once, each with its path and line, what was expected and the nearest key", {
  timeout: 30_000,
}, async () => {
  const file = await fileWith(
    [
      "server:",
      "  prot: 8080",
      "  workers: many",
      '  keep_alive_timeout: "75"',
      "  max_header_bytes: 16384",
      "backends:",
      "  v1: ftp://127.0.0.1",
      "  v2: http://127.0.0.1:2/api",
      "  v3: http://127.0.0.1:3?a=b",
      "  v5: http://127.0.0.1:3#there",
      "  v6: 9001",
      "active_version: v9",
      "switch:",
      "  min_interval: 10",
      "  bake: { window: 5m }",
      "  probe: { successes: 0, path: health }",
      "  drain: { deadline: 5s, websocket_window: 6s }",
      "admin:",
      "  read_allow: [ 10.0.0.0/33 ]",
      "min_interval: 5m",
      "",
    ].join("\n"),
  );
  const outside = { env: { LOG_LEVEL: "loud", BACKEND_V4: "gopher://x" }, args: ["--port", "99999"] };
  const told = await refusal(file, outside);
  for (const pattern of [
    /server\.prot \(line 2\): unknown key; did you mean "port"/,
    /server\.workers \(line 3\): expected auto or a whole number from 1 to \d+, found "many"/,
    /server\.keep_alive_timeout \(line 4\): .*give a unit/,
    /server\.max_header_bytes \(line 5\): .*give a unit/,
    /backends\.v1 \(line 7\): .*only http:\/\/ and https:\/\//,
    /backends\.v2 \(line 8\): .*path/,
    /backends\.v3 \(line 9\): .*query/,
    /backends\.v5 \(line 10\): .*fragment/,
    /backends\.v6 \(line 11\): .*URL/,
    /active_version \(line 12\): must be one of the backends/,
    /switch\.min_interval \(line 14\): expected a duration .*give a unit/,
    /switch\.bake \(line 15\): unknown key/,
    /switch\.probe\.successes \(line 16\): expected a whole number from 1/,
    /switch\.probe\.path \(line 16\): expected a path that starts with \//,
    /switch\.drain\.websocket_window \(line 17\): must not be longer than switch\.drain\.deadline/,
    /admin\.read_allow\[0\] \(line 19\): .*CIDR/,
    /min_interval \(line 20\): unknown key; did you mean switch\.min_interval/,
    /log\.level \(LOG_LEVEL\): expected one of trace, debug/,
    /backends\.v4 \(BACKEND_V4\)/,
    /server\.port \(--port\): expected a whole number from 0 to 65535, found 99999/,
    /: 20 problems in the config\n/,
  ]) {
    assert.match(told, pattern);
  }
  const checked = await refusal(file, { ...outside, command: ["check"] });
  assert.equal(`traffic-switching: ${checked}`, told, "check says the same");
});

test("all problems of a bad pool come at once, and its secrets are not shown", {
  timeout: 30_000,
}, async () => {
  const file = await fileWith(
    [
      "backends:",
      "  v1:",
      "    targets:",
      "      - { url: http://127.0.0.1:1, weight: 0 }",
      "      - http://127.0.0.1:1",
      "      - ftp://127.0.0.1",
      "    balance: { algorithm: ./nowhere.js }",
      "    health: { interval: 1s }",
      "    outlier: { windows: 5 }",
      "    sticky: { secret: hunter2secret }",
      "  v2: { url: http://127.0.0.1:2 }",
      "active_version: v1",
      "",
    ].join("\n"),
  );
  const told = await refusal(file);
  for (const pattern of [
    /backends\.v1\.targets\[1\] \(line 5\): http:\/\/127\.0\.0\.1:1 is targets\[0\] already/,
    /backends\.v1\.targets\[2\] \(line 6\): .*only http:\/\/ and https:\/\//,
    /backends\.v1\.balance\.algorithm \(line 7\): the file does not exist/,
    /backends\.v1\.health\.timeout \(line 8\): must not be longer than health\.interval/,
    /backends\.v1\.outlier\.windows \(line 9\): unknown key; did you mean "window"/,
    /backends\.v1\.sticky\.secret \(line 10\): expected 16 to 1024 visible/,
    /backends\.v2\.targets \(line 11\): .*but it is missing/,
    /backends\.v2\.url \(line 11\): unknown key; did you mean targets\[\]\.url/,
    /: 8 problems in the config\n/,
  ]) {
    assert.match(told, pattern);
  }
  assert.ok(!told.includes("hunter2secret"));
});

test("a config file that is no file is refused by what it is", { timeout: 30_000 }, async () => {
  const folder = join(dir, "a-folder");
  await mkdir(folder);
  assert.match(
    await refusal(join(dir, "nowhere.yaml")),
    /nowhere\.yaml.*[\s\S]*does not exist[\s\S]*CONFIG_FILE/,
  );
  assert.match(await refusal(folder), /is a folder/);
  assert.match(await refusal(await fileWith("x".repeat(2 * 1024 * 1024))), /larger than/);
});

test("a password or a token in a bad config is never shown", { timeout: 30_000 }, async () => {
  const secret = "hunter2secret";
  const texts = [
    `backends: { v1: "http://me:${secret}@127.0.0.1:1", v2: "http://127.0.0.1:2" }\nactive_version: v1\n`,
    `${GOOD}admin: { token: "${secret} with space" }\n`,
    `${GOOD}admin: { token: ["${secret}"] }\n`,
    `${GOOD}admin: { token: ${secret}, port: x }\n`,
    `${GOOD}admin: { token: "${secret}\n`,
    `${GOOD}admin: { token: ${secret}, token_file: ${secret} }\n`,
  ];
  for (const text of texts) assert.ok(!(await refusal(await fileWith(text))).includes(secret), text);
  const told = await refusal(await fileWith(GOOD), { env: { ADMIN_TOKEN: `${secret} ${secret}` } });
  assert.match(told, /ADMIN_TOKEN/);
  assert.ok(!told.includes(secret));
});

test("a token file that is missing, empty or no token is refused without its content", {
  timeout: 30_000,
}, async () => {
  const folder = join(dir, "tokens");
  await mkdir(folder);
  await writeFile(join(folder, "empty"), "\n");
  await writeFile(join(folder, "two-words"), "open sesame\n");
  for (const name of ["missing", "empty", "two-words"]) {
    const told = await refusal(await fileWith(`${GOOD}admin: { token_file: "${join(folder, name)}" }\n`));
    assert.match(told, /admin\.token_file \(line 3\)/);
    assert.ok(!told.includes("sesame"));
  }
});

test("a refused config leaves no trace: no state folder, no file", { timeout: 30_000 }, async () => {
  const file = await fileWith(`${GOOD}state_dir: state\nserver: { port: x }\n`);
  await refusal(file);
  assert.deepEqual(await readdir(join(file, "..")), ["config.yaml"]);
});
