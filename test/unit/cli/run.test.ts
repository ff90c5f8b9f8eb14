/**
 * The commands that print and end: what goes where, with which exit code.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { COMMANDS } from "../../../src/cli/arguments.ts";
import { EXIT_CODES, helpText } from "../../../src/cli/help.ts";
import { run } from "../../../src/cli/run.ts";
import { ENVIRONMENT, type Environment, FLAGS } from "../../../src/config/overrides.ts";

const CONFIG = `
server: { host: "::1", port: 0, workers: 1 }
backends: { blue: "http://10.0.0.1:9000", v2: "https://b" }
active_version: v2
`;

function configFile(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "traffic-switching-cli-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "config.yaml");
  writeFileSync(file, text);
  return file;
}

async function runIt(argv: readonly string[], env: Environment = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await run(argv, env, {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
  });
  return { exitCode, out: out.join(""), err: err.join("") };
}

test("check says what would run and keeps the token to itself", async (t) => {
  const file = configFile(t, CONFIG);
  const { exitCode, out, err } = await runIt(["check", "--config", file], { ADMIN_TOKEN: "s3cret" });
  assert.equal(exitCode, 0);
  assert.equal(err, "");
  assert.equal(
    out,
    [
      `${file}: ok`,
      "  listen   http://[::1]:(any free port), 1 worker",
      "  backend  blue  http://10.0.0.1:9000",
      "  backend  v2    https://b  (active when there is no state)",
      `  state    ${join(file, "..")}`,
      "  admin    http://127.0.0.1:8081, tokens: token (admin)",
      "",
    ].join("\n"),
  );
});

test("check lists the targets of a pool and what is on, and shows no secret", async (t) => {
  const file = configFile(
    t,
    `backends:
  v1:
    targets: [{ url: "http://10.0.0.1:9000", weight: 5 }, "http://b"]
    balance: { algorithm: smooth-weighted }
    health: { headers: { Authorization: Bearer s3cret } }
    limits: { max_queue: 5 }
    sticky: { secret: s3cret-of-a-cookie }
  green: { targets: ["http://c"] }
  v3: { targets: [{ url: "http://d", resolve: all }] }
active_version: green
`,
  );
  const { exitCode, out, err } = await runIt(["check", "--config", file]);
  assert.equal(exitCode, 0, err);
  assert.deepEqual(out.split("\n").slice(2, 8), [
    "  backend  v1     2 targets; smooth-weighted; on: health, limits, sticky",
    "                  http://10.0.0.1:9000  weight 5",
    "                  http://b              weight 1",
    "  backend  green  http://c  (active when there is no state)",
    "  backend  v3     1 target; round-robin; no section is on",
    "                  http://d  weight 1, each address of the name",
  ]);
  assert.doesNotMatch(out, /s3cret/);
});

test("check keeps what a probe sends to itself", async (t) => {
  const file = configFile(t, `${CONFIG}switch: { probe: { headers: { Authorization: Bearer s3cret } } }\n`);
  const { exitCode, out, err } = await runIt(["check", "--config", file]);
  assert.equal(exitCode, 0);
  assert.ok(!`${out}${err}`.includes("s3cret"));
});

test("check names every token with its role, and where the admin API listens, and shows no token", async (t) => {
  const tokens =
    "[{ name: ci, role: switch, token: s3cret-ci }, { name: prom, role: read, token: s3cret-prom }]";
  const file = configFile(t, `${CONFIG}admin: { socket: a.sock, socket_mode: "600", tokens: ${tokens} }\n`);
  const { exitCode, out, err } = await runIt(["check", "--config", file], { ADMIN_TOKEN: "s3cret" });
  assert.equal(exitCode, 0, err);
  const where = `unix:${join(file, "..", "a.sock")} (mode 0600)`;
  assert.doesNotMatch(out, /s3cret/);
  assert.ok(
    out.includes(`  admin    ${where}, tokens: token (admin), token:ci (switch), token:prom (read)\n`),
    out,
  );
});

test("check sends problems to stderr and ends with 2", async (t) => {
  const file = configFile(t, `${CONFIG}sever: 1\n`);
  const { exitCode, out, err } = await runIt(["check"], { CONFIG_FILE: file });
  assert.equal(exitCode, 2);
  assert.equal(out, "");
  assert.equal(
    err,
    `${file}: 1 problem in the config\n  sever (line 5): unknown key; did you mean "server"?\n`,
  );
});

test("a wrong command line ends with 2", async () => {
  assert.deepEqual(await runIt(["--prot"]), {
    exitCode: 2,
    out: "",
    err: "unknown flag --prot; did you mean --port?\nsee traffic-switching --help\n",
  });
});

test("serve is left to the caller", async () => {
  assert.deepEqual(await runIt(["serve", "--config", "not-there.yaml"]), {
    exitCode: { command: "serve", flags: { config: "not-there.yaml" } },
    out: "",
    err: "",
  });
});

test("a drill is left to the caller, with its flags checked", async () => {
  const drillOf = async (...argv: string[]) => (await runIt(["drill", ...argv])).exitCode;
  assert.deepEqual(await drillOf(), { command: "drill", drill: { switches: 20, isJson: false } });
  assert.deepEqual(await drillOf("--json", "--switches", "3"), {
    command: "drill",
    drill: { switches: 3, isJson: true },
  });
  for (const wrong of ["0", "1001", "x", "1.5", "-1", "1e2"]) {
    const { exitCode, err } = await runIt(["drill", `--switches=${wrong}`]);
    assert.equal(exitCode, 2, wrong);
    assert.match(err, /^--switches must be a number from 1 to 1000, found "/);
  }
});

test("version prints the version of the package", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.deepEqual(await runIt(["--version"]), {
    exitCode: 0,
    out: `traffic-switching ${version}\n`,
    err: "",
  });
});

test("help lists every command, flag, environment variable and exit code within 100 columns", async () => {
  const { exitCode, out } = await runIt(["help"]);
  assert.equal(exitCode, 0);
  assert.equal(out, helpText());
  const lines = out.split("\n");
  const hasLine = (name: string, about: string) =>
    lines.some((line) => line.includes(`  ${name}`) && line.endsWith(`  ${about}`));
  for (const { name, about } of [...COMMANDS, ...ENVIRONMENT]) assert.ok(hasLine(name, about), name);
  for (const { code, about } of EXIT_CODES) assert.ok(hasLine(String(code), about), String(code));
  for (const { name, about } of FLAGS) {
    assert.ok(
      lines.some((line) => line.includes(`--${name}`) && line.endsWith(about)),
      name,
    );
  }
  for (const line of lines) assert.ok(line.length <= 100, line);
});
