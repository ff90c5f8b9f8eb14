/** What a bad pool gets: which problem, at which path and line, with which hint, and never a secret. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load.ts";
import type { Environment } from "../../../src/config/overrides.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** @param v1 what stands behind `v1:` on line 2. */
async function refusal(t: TestContext, v1: string, env: Environment = {}): Promise<ConfigError> {
  const dir = await tempDir(t, "bad-pools");
  mkdirSync(join(dir, "folder"));
  writeFileSync(join(dir, "short"), "s3cret\n");
  writeFileSync(join(dir, "empty"), " \n");
  const file = join(dir, "config.yaml");
  writeFileSync(file, `backends:\n  v1: ${v1}\n  v2: "http://b:1"\nactive_version: v1\n`);
  try {
    loadConfig({ file, env });
  } catch (error) {
    assert.ok(error instanceof ConfigError, `a ConfigError, not ${error}`);
    return error;
  }
  return assert.fail("the config was taken");
}

/** Beside one good target; each is one problem, on line 2. */
const BAD_KEYS: readonly (readonly [yaml: string, path: string, text: string])[] = [
  ["outlir: {}", "outlir", 'unknown key; did you mean "outlier"?'],
  ["health: { intervall: 1s }", "health.intervall", 'unknown key; did you mean "interval"?'],
  ["interval: 1s", "interval", "unknown key; did you mean health.interval?"],
  ["window: 1", "window", "unknown key; did you mean outlier.window or breaker.window?"],
  ["retry_budget: 1", "retry_budget", "unknown key; did you mean upstream.retry_budget?"],
  ["zzzzzz: 1", "zzzzzz", "unknown key; known here: targets, balance, health, outlier, breaker, limits"],
  ["breaker: { zzzzzzzz: 1 }", "breaker.zzzzzzzz", "unknown key; known here: window, error_ratio"],
  ["breaker: off", "breaker", "expected a map (keys with values), or no such section at all to have it off"],
  ["health: []", "health", "expected a map (keys with values), or no such section"],
  ["limits: 5", "limits", "expected a map (keys with values), found a number"],
  ["balance: random", "balance", "expected a map (keys with values), found text"],
  ["balance: { algorithm: smooth }", "balance.algorithm", "expected one of round-robin, smooth-weighted"],
  [
    "balance: { algorithm: smooth_weigthed }",
    "balance.algorithm",
    'found "smooth_weigthed"; did you mean "smooth-weighted"?',
  ],
  ["balance: { algorithm: b.mjs }", "balance.algorithm", 'found "b.mjs"; write ./ in front of it'],
  ["balance: { algorithm: ./no.js }", "balance.algorithm", "the file does not exist; a relative path starts"],
  ["balance: { algorithm: ./folder }", "balance.algorithm", "the file is a folder, not a file"],
  ["balance: { algorithm: ../ }", "balance.algorithm", "the file is a folder, not a file"],
  [
    "balance: { key: path }",
    "balance.key",
    "means nothing to round-robin; leave it out, or set balance.algorithm to consistent-hash",
  ],
  [
    "balance: { algorithm: consistent-hash, key: header }",
    "balance.key",
    'found "header"; write its name, 1 to 64 characters, as in "header:user"',
  ],
  ['balance: { algorithm: consistent-hash, key: "cookie:a b" }', "balance.key", "write its name"],
  ["balance: { algorithm: consistent-hash, key: query }", "balance.key", "expected client-address, path"],
  ["balance: { algorithm: consistent-hash, key: { header: a } }", "balance.key", "write it in quotes"],
  [
    "health: { interval: 1s }",
    "health.timeout",
    "must not be longer than health.interval (1000ms), found 2000ms",
  ],
  ["health: { interval: 99ms, timeout: 1ms }", "health.interval", "expected a duration from 100ms to 24h"],
  ["health: { max_latency: 3s }", "health.max_latency", "must not be longer than health.timeout"],
  ["health: { method: HEAD, expect_body: ok }", "health.expect_body", "use another health.method"],
  ["health: { headers: { Host: a } }", "health.headers.Host", "cannot be set here; use health.host"],
  ['health: { headers: { X-Key: " s3cret" } }', "health.headers.X-Key", "found text (not shown)"],
  ['health: { headers: "X-Key: s3cret" }', "health.headers", "found text (not shown)"],
  ['health: { host: "http://a" }', "health.host", "leave out http:// and the path, which is health.path"],
  ["breaker: true", "breaker", "or no such section at all to have it off, found true"],
  ["health: { headers: { X-Key: } }", "health.headers.X-Key", "found nothing"],
  ["health: { unhealthy_after: 0 }", "health.unhealthy_after", "expected a whole number from 1 to 100"],
  ["outlier: { error_ratio: 0 }", "outlier.error_ratio", "expected a number above 0, up to 1, found 0"],
  ["outlier: { degraded_ratio: 0 }", "outlier.degraded_ratio", "expected a number above 0, up to 1"],
  [
    "outlier: { degraded_ratio: 0.6 }",
    "outlier.degraded_ratio",
    "must not be more than outlier.error_ratio (0.5), found 0.6",
  ],
  ["outlier: { window: 19 }", "outlier.min_requests", "must not be more than outlier.window (19), found 20"],
  ["outlier: { max_ejected_ratio: 1.1 }", "outlier.max_ejected_ratio", "expected a number from 0 to 1"],
  ["breaker: { min_requests: 101 }", "breaker.min_requests", "more than breaker.window (100), found 101"],
  ['breaker: { error_ratio: "50%" }', "breaker.error_ratio", "write a number without quotes or %"],
  ["limits: { max_in_flight: 0 }", "limits.max_in_flight", "expected unlimited or a whole number from 1"],
  ["limits: { max_queue: unlimited }", "limits.max_queue", "expected null or a whole number from 0 to"],
  ["slow_start: 30", "slow_start", "expected a duration from 0s to 24h, found 30; give a unit"],
  ["ready_ratio: 0", "ready_ratio", "expected a number above 0, up to 1, found 0"],
  ["when_all_unhealthy: panic", "when_all_unhealthy", "expected one of use-all, refuse"],
  ["sticky: { secret: s3cret }", "sticky.secret", "expected 16 to 1024 visible ASCII characters"],
  ["sticky: { secret_file: short }", "sticky.secret_file", "does not hold a secret: 16 to 1024 visible"],
  ["sticky: { secret_file: empty }", "sticky.secret_file", "the file is empty"],
  ["sticky: { secret_file: s3cret }", "sticky.secret_file", "the file does not exist"],
  ["sticky: { cookie: a b }", "sticky.cookie", "expected a cookie's name"],
  ["sticky: { cookie: __Secure-a }", "sticky.cookie", "starts with __Secure- needs sticky.secure: true"],
  ["sticky: { same_site: none }", "sticky.same_site", "none needs sticky.secure: true"],
  ["sticky: { max_age: 0s }", "sticky.max_age", "expected null or a duration from 1s to 9600h"],
];

for (const [yaml, path, expected] of BAD_KEYS) {
  test(`a pool with ${yaml} is refused at ${path}`, async (t) => {
    const { problems, message } = await refusal(t, `{ targets: ["http://a:1"], ${yaml} }`);
    assert.deepEqual(
      problems.map((problem) => [problem.path, problem.where]),
      [[`backends.v1.${path}`, "line 2"]],
      message,
    );
    assert.ok(problems[0]?.text.includes(expected), message);
    assert.doesNotMatch(message, /s3cret|found (true|nothing) \(not shown\)/);
  });
}

const URL_OR_MAP = 'expected a URL such as "http://10.0.0.1:9000", or a map with';

/** What stands in place of a pool, and all that is said. */
const BAD_POOLS: readonly (readonly [
  yaml: string,
  ...expected: (readonly [path: string, text: string])[],
])[] = [
  ["", ["", `${URL_OR_MAP} targets, found nothing`]],
  ["9001", ["", `${URL_OR_MAP} targets, found 9001`]],
  ['["http://a:1"]', ["", "found a list; write targets in front of the list"]],
  ['{ url: "http://a:1" }', ["targets", "but it is missing"], ["url", "did you mean targets[].url?"]],
  ['{ target: "http://a:1" }', ["targets", "but it is missing"], ["target", 'did you mean "targets"?']],
  ["{ a: 1, b: 2 }", ["targets", "missing"], ["a", "known here: targets"], ["b", "known here: targets"]],
  ["{ targets: }", ["targets", "expected a list of URLs, or of maps with url"]],
  ['{ targets: "http://a:1" }', ["targets", "expected a list of URLs, or of maps with url"]],
  ["{ targets: [] }", ["targets", "1 to 1000 targets are needed, found 0"]],
  ["{ targets: [9] }", ["targets[0]", `${URL_OR_MAP} url, found 9`]],
  ['{ targets: [["http://a:1"]] }', ["targets[0]", "take the inner brackets away"]],
  ["{ targets: [ftp://a] }", ["targets[0]", "only http:// and https:// can be forwarded to"]],
  ["{ targets: [{ weight: 1 }] }", ["targets[0].url", "but it is missing"]],
  ['{ targets: [{ url: "http://a/x" }] }', ["targets[0].url", "leave out the path"]],
  ['{ targets: ["http://u:s3cret@a"] }', ["targets[0]", "leave out the user and password"]],
  ['{ targets: [{ url: "http://a", weigth: 1 }] }', ["targets[0].weigth", 'did you mean "weight"?']],
  ['{ targets: [{ url: "http://a", weight: 1001 }] }', ["targets[0].weight", "whole number from 0 to 1000"]],
  ['{ targets: [{ url: "http://a", weight: 0.5 }] }', ["targets[0].weight", "whole number from 0 to 1000"]],
  ['{ targets: [{ url: "http://a", resolve: dns }] }', ["targets[0].resolve", "one of name, all"]],
  [
    '{ targets: [{ url: "http://a", resolve_every: 999ms }] }',
    ["targets[0].resolve_every", "from 1s to 24h"],
  ],
  ...["http://10.0.0.1", "https://[fd00::1]:9443"].map(
    (url) =>
      [
        `{ targets: ["http://a", { url: "${url}", resolve: all }] }`,
        ["targets[1].resolve", "all is for names, and this is an address; leave it out"],
      ] as const,
  ),
  ['{ targets: [{ url: "http://a", weight: 0 }] }', ["targets", "every weight is 0"]],
  [
    '{ targets: ["http://a", "http://b", { url: "http://A:80/" }] }',
    ["targets[2]", "http://a is targets[0] already"],
  ],
  [
    '{ targets: ["http://a"], sticky: { secret: s3cret-of-sixteen, secret_file: s } }',
    ["sticky.secret_file", "set sticky.secret or sticky.secret_file, not both"],
    ["sticky.secret_file", "the file does not exist"],
  ],
];

for (const [yaml, ...expected] of BAD_POOLS) {
  test(`the version ${yaml === "" ? "nothing" : yaml} is refused with a hint`, async (t) => {
    const { problems, message } = await refusal(t, yaml);
    assert.deepEqual(
      problems.map(({ path }) => path),
      expected.map(([path]) => (path === "" ? "backends.v1" : `backends.v1.${path}`)),
      message,
    );
    for (const [index, [, text]] of expected.entries()) {
      assert.ok(problems[index]?.text.includes(text), message);
    }
    assert.ok(!message.includes("s3cret"), message);
  });
}

test("a wrong URL of a variable is said of the variable, whatever pool it takes the place of", async (t) => {
  const { message } = await refusal(t, '{ targets: ["http://a:1"] }', { BACKEND_V1: "ftp://a" });
  assert.match(message, /backends\.v1 \(BACKEND_V1\): .*only http:\/\/ and https:\/\//);
});

test("1,001 targets of one version, and 4,001 in all, are too many", async (t) => {
  const targets = (count: number) => Array.from({ length: count }, (_, i) => `http://t${i}`).join(", ");
  const one = await refusal(t, `{ targets: [${targets(1_001)}] }`);
  assert.match(one.message, /backends\.v1\.targets \(line 2\): 1 to 1000 targets are needed, found 1001/);
  const more = ["w", "x", "y"].map((name) => `\n  ${name}: { targets: [${targets(1_000)}] }`).join("");
  const all = await refusal(t, `{ targets: [${targets(1_000)}] }${more}`);
  assert.match(all.message, /backends \(line 1\): at most 4000 targets over all versions, found 4001/);
});

test("each line of a long pool is told of", async (t) => {
  const { message } = await refusal(
    t,
    `
    targets:
      - url: http://a
        weight: -1
      - ftp://b
    health:
      headers:
        Authorization: [s3cret]
    outlier: { window: x }
    balance: { algorithm: ./no.js }`,
  );
  for (const line of [
    "backends.v1.targets[0].weight (line 5): expected a whole number",
    "backends.v1.targets[1] (line 6): expected a URL",
    "backends.v1.health.headers.Authorization (line 9): expected text",
    "backends.v1.outlier.window (line 10): expected a whole number",
    "backends.v1.balance.algorithm (line 11): the file does not exist",
    "5 problems",
  ]) {
    assert.ok(message.includes(line), message);
  }
  assert.ok(!message.includes("s3cret"), message);
});
