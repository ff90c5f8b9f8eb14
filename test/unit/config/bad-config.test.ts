/**
 * What a bad config gets: which problem, at which path and line, with which hint, and never a stack or a secret.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load.ts";
import type { Environment, Flags } from "../../../src/config/overrides.ts";
import { ConfigError } from "../../../src/config/problem.ts";

const SHORT = `backends: { v1: "http://a:1", v2: "http://b:1" }
active_version: v1
`;

function emptyFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "traffic-switching-config-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** The message that a config file of this content is refused with. */
function refusal(
  t: TestContext,
  content: string | Uint8Array,
  options: { env?: Environment; flags?: Flags } = {},
): string {
  const file = join(emptyFolder(t), "config.yaml");
  writeFileSync(file, content);
  return refusalOf(file, options);
}

function refusalOf(file: string, options: { env?: Environment; flags?: Flags } = {}): string {
  try {
    loadConfig({ file, env: {}, ...options });
  } catch (error) {
    assert.ok(error instanceof ConfigError, `a ConfigError, not ${error}`);
    assert.equal(error.exitCode, 2);
    assert.ok(error.message.startsWith(`${file}: `));
    return error.message;
  }
  return assert.fail("the config was taken");
}

/** Each is appended to the short form, so that its first line is line 3. */
const BAD_KEYS: readonly (readonly [what: string, yaml: string, ...expected: string[]])[] = [
  ["an unknown key", "sever: 1", 'sever (line 3): unknown key; did you mean "server"?'],
  ["an unknown key inside", "server:\n  prot: 1", 'server.prot (line 4): unknown key; did you mean "port"?'],
  ["a key of another section", "level: info", "level (line 3): unknown key; did you mean log.level?"],
  ["a camelCase key", "switch: { minInterval: 1s }", 'did you mean "min_interval"?'],
  ["a key like no other", "log: { zzzzzz: 1 }", "log.zzzzzz (line 3): unknown key; known here: level"],
  [
    "a key that is not built yet",
    "switch: { bake: 1 }",
    "switch.bake (line 3): unknown key; known here: min_inter",
  ],
  ["__proto__", "server: { __proto__: { port: 1 } }", "server.__proto__ (line 3): unknown key"],
  [
    "a quoted number",
    'server: { port: "8080" }',
    'server.port (line 3): expected a whole number from 0 to 65535, found "8080"; write the number without quotes',
  ],
  [
    "a port too high",
    "server: { port: 65536 }",
    "server.port (line 3): expected a whole number from 0 to 65535",
  ],
  ["a port that is no whole number", "server: { port: 80.5 }", "found 80.5"],
  [
    "nothing as a value",
    "server: { port: }",
    "server.port (line 3): expected a whole number",
    "found nothing",
  ],
  ["no workers", "server: { workers: 0 }", "expected auto or a whole number from 1 to 256, found 0"],
  [
    "a section that is a text",
    "server: abc",
    "server (line 3): expected a map (keys with values), found text",
  ],
  ["a section that is a list", "switch:\n - drain", "switch (line 3): expected a map", "found a list"],
  [
    "a host that is no host",
    'server: { host: "a b" }',
    "server.host (line 3): expected an IP address or a host name",
  ],
  ["a host that is a number", "server: { host: 127 }", "found 127; write it in quotes"],
  ["a host that is half an address", "server: { host: 10.0.0.256 }", 'found "10.0.0.256"'],
  ["yes for true", "admin: { on_traffic_port: yes }", 'expected true or false, found "yes"'],
  ["an unknown level", "log: { level: loud }", "expected one of trace, debug, info", 'found "loud"'],
  [
    "a list item",
    'server:\n  trusted_proxies:\n    - "::1"\n    - 10.0.0.0/33',
    "trusted_proxies[1] (line 6)",
  ],
  [
    "no list",
    "admin: { read_allow: 10.0.0.1 }",
    "admin.read_allow (line 3): expected a list of IP addresses",
  ],
  [
    "too many retries",
    "upstream: { retries: 11 }",
    "upstream.retries (line 3): expected a whole number from 0 to 10",
  ],
  [
    "nothing that is retried",
    "upstream: { retry_on: [connect-failure, timeout] }",
    'upstream.retry_on[1] (line 3): expected one of connect-failure, dead-connection, closed, response-timeout, invalid-answer, 5xx, or a status from 500 to 599, found "timeout"',
  ],
  [
    "a retried status that is no fault of the server",
    "upstream: { retry_on: [404] }",
    "upstream.retry_on[0] (line 3): expected one of",
    "found 404",
  ],
  ["a retried status in quotes", 'upstream: { retry_on: ["503"] }', "write the status without quotes"],
  ["no list of what is retried", "upstream: { retry_on: 503 }", "expected a list of at most 32 conditions"],
  [
    "a time limit of an attempt that no attempt follows",
    "upstream: { per_try_timeout: 1s }",
    "upstream.per_try_timeout (line 3): means nothing without response-timeout in upstream.retry_on; add it there",
  ],
  [
    "an attempt that may take all the time there is",
    "upstream: { per_try_timeout: 30s, retry_on: [response-timeout] }",
    "upstream.per_try_timeout (line 3): must be shorter than upstream.response_timeout (30000ms), which is for all attempts together, found 30000ms",
  ],
  [
    "a time limit of answers that leaves none for another attempt",
    "upstream: { retry_on: [response-timeout] }",
    "upstream.retry_on (line 3): response-timeout needs upstream.per_try_timeout",
  ],
  [
    "a number of requests that is neither",
    "server: { max_requests_per_connection: 0 }",
    "server.max_requests_per_connection (line 3): expected unlimited or a whole number from 1 to 1000000000, found 0",
  ],
  [
    "too many connections of one client",
    "server: { max_connections_per_client: 1000001 }",
    "server.max_connections_per_client (line 3): expected unlimited or a whole number from 1 to 1000000",
  ],
  [
    "a rate per second without a unit",
    "server: { min_body_rate: 100 }",
    "server.min_body_rate (line 3): expected a size from 0B to 1GiB, found 100; give a unit: 16KiB",
  ],
  ["no grace at all", "server: { min_body_rate_grace: 0s }", "expected a duration from 1ms to 24h"],
  ["a grace of days", "server: { min_body_rate_grace: 25h }", "expected a duration from 1ms to 24h"],
  [
    "a name in Via that is none",
    'server: { via: "a b" }',
    "server.via (line 3): expected auto, off, or a name of 1 to 64 letters, digits",
  ],
  ["false for off", "server: { via: false }", "found false; write off"],
  ["on for a name in Via", "server: { via: on }", 'found "on"; write auto'],
  ["OFF for off", "server: { via: OFF }", 'found "OFF"; write it in lower case'],
  ["a name in Via that is a number", "server: { via: 12 }", "found 12; write it in quotes"],
  [
    "other forwarded headers",
    "server: { forwarded_headers: all }",
    "expected one of both, x-forwarded, forwarded, off",
  ],
  ["a head of an answer too small", "upstream: { max_header_bytes: 1023B }", "a size from 1KiB to 1MiB"],
  ["too many fields of an answer", "upstream: { max_header_count: 10001 }", "number from 10 to 10000"],
  [
    "a retry budget in percent",
    'upstream: { retry_budget: "20%" }',
    'upstream.retry_budget (line 3): expected a number from 0 to 1, found "20%"; write a number without quotes or %, such as 0.2',
  ],
  [
    "a DNS server by its name",
    "upstream: { resolvers: [dns.example.com] }",
    "upstream.resolvers[0] (line 3): expected an IP address such as 10.0.0.53, or one with a port such as 10.0.0.53:5353",
  ],
  [
    "a DNS server that is no list",
    "upstream: { resolvers: 10.0.0.53 }",
    "upstream.resolvers (line 3): expected a list of at most 8 DNS servers",
  ],
  [
    "more DNS servers than are asked",
    `upstream: { resolvers: [${Array(9).fill("10.0.0.53").join(", ")}] }`,
    "upstream.resolvers (line 3): expected a list of at most 8 DNS servers",
  ],
  ["a retry budget above 1", "upstream: { retry_budget: 20 }", "expected a number from 0 to 1, found 20"],
  [
    "a media type with a parameter",
    'upstream:\n  stream_types:\n    - video/*\n    - "text/plain; charset=utf-8"',
    "upstream.stream_types[1] (line 6): expected a media type such as text/event-stream or text/*",
    "leave out the parameters",
  ],
  ["a media type in capitals", "upstream: { stream_types: [Text/Plain] }", "write it in lower case"],
  [
    "one media type that is no list",
    "upstream: { stream_types: text/plain }",
    "upstream.stream_types (line 3): expected a list of at most 32 media types",
  ],
  [
    "more media types than are taken",
    `upstream: { stream_types: [${Array.from({ length: 33 }, (_, i) => `a/b${i}`).join(", ")}] }`,
    "upstream.stream_types (line 3): expected a list of at most 32 media types",
    "found a list",
  ],
  [
    "a key of one section in the other",
    "server: { retry_budget: 0 }",
    "server.retry_budget (line 3): unknown key; did you mean upstream.retry_budget?",
  ],
  [
    "a near miss of a new key",
    "server: { max_connection_per_client: 1 }",
    'server.max_connection_per_client (line 3): unknown key; did you mean "max_connections_per_client"?',
  ],
  ["no such time", "switch: { min_interval: 721h }", "expected a duration from 0s to 720h"],
  [
    "a WebSocket window longer than the drain",
    "switch: { drain: { deadline: 5s } }",
    "switch.drain.websocket_window (line 3): must not be longer than switch.drain.deadline",
  ],
  [
    "a gate that cannot pass",
    "switch: { prepare_timeout: 200ms }",
    "switch.prepare_timeout (line 3): must be longer than",
  ],
  [
    "one port for both listeners",
    "admin: { port: 8080 }",
    "admin.port (line 3): must differ from server.port (8080)",
  ],
  [
    "one port on localhost",
    "server: { host: localhost }\nadmin: { host: 127.0.0.1, port: 8080 }",
    "admin.port (line 4): must differ",
  ],
  [
    "a token in two ways",
    "admin: { token: abc, token_file: /dev/null }",
    "admin.token_file (line 3): set admin.token or admin.token_file, not both",
  ],
  [
    "a token file that is not there",
    "admin: { token_file: x }",
    "admin.token_file (line 3): the file does not exist",
  ],
  [
    "a probe path without /",
    "switch: { probe: { path: health } }",
    "switch.probe.path (line 3): expected a path",
  ],
  ["a probe path with a space", 'switch: { probe: { path: "/a b" } }', "switch.probe.path (line 3)"],
  ["a probe method in small letters", "switch: { probe: { method: get } }", "switch.probe.method (line 3)"],
  ["a probe that opens a tunnel", "switch: { probe: { method: CONNECT } }", "switch.probe.method (line 3)"],
  [
    "a field of a probe that is no text",
    "switch:\n  probe:\n    headers:\n      X-A: a\n      X-B: 12",
    "switch.probe.headers.X-B (line 7): expected text of at most 4096 visible ASCII characters",
    "found a number (not shown); write it in quotes",
  ],
  [
    "a field of a probe that has a key of its own",
    "switch:\n  probe:\n    headers:\n      HOST: a",
    "switch.probe.headers.HOST (line 6): cannot be set here; use switch.probe.host",
  ],
  ["a probe with a length", 'switch: { probe: { headers: { Content-Length: "0" } } }', "has no body"],
  ["a probe with a coding", "switch: { probe: { headers: { transfer-encoding: chunked } } }", "has no body"],
  [
    "a probe that ends its connection",
    "switch: { probe: { headers: { Connection: close } } }",
    "the proxy's",
  ],
  [
    "a field that is sent twice",
    "switch:\n  probe:\n    headers:\n      X-A: a\n      x-a: b",
    "switch.probe.headers.x-a (line 7): the same field twice",
  ],
  [
    "a field name that is none",
    'switch:\n  probe:\n    expect_headers:\n      "X A": a',
    'switch.probe.expect_headers."X A" (line 6): a field\'s name is 1 to 64 letters, digits',
  ],
  [
    "more fields of a probe than are sent",
    `switch: { probe: { headers: { ${Array.from({ length: 33 }, (_, i) => `X-${i}: a`).join(", ")} } } }`,
    "switch.probe.headers (line 3): at most 32 fields, found 33",
  ],
  [
    "an expected field that is a map",
    "switch: { probe: { expect_headers: { Server: { a: b } } } }",
    'switch.probe.expect_headers.Server (line 3): expected text of at most 4096 visible ASCII characters and blanks, or "*" or null for any, found a map',
  ],
  [
    "fields that are a list",
    "switch: { probe: { expect_headers: [Server] } }",
    "switch.probe.expect_headers (line 3): expected a map of field names and values, found a list",
  ],
  [
    "a probe's host that is a URL",
    'switch: { probe: { host: "http://a.example/" } }',
    "switch.probe.host (line 3): expected a host such as app.example.com",
    "leave out http:// and the path, which is switch.probe.path",
  ],
  [
    "a body that nothing could be in",
    'switch: { probe: { expect_body: "" } }',
    "switch.probe.expect_body (line 3): expected text of 1 to 1024 characters, or null",
  ],
  [
    "a body of an answer to HEAD",
    "switch: { probe: { method: HEAD, expect_body: ok } }",
    "switch.probe.expect_body (line 3): cannot be found: an answer to HEAD has no body",
  ],
  [
    "a latency above the probe's time limit",
    "switch: { probe: { timeout: 1s, max_latency: 1001ms } }",
    "switch.probe.max_latency (line 3): must not be longer than switch.probe.timeout",
  ],
  ["a latency without a unit", "switch: { probe: { max_latency: 500 } }", "give a unit: 500ms or 2s"],
  [
    "a near miss of a probe's key",
    "switch: { probe: { expect_header: {} } }",
    'switch.probe.expect_header (line 3): unknown key; did you mean "expect_headers"?',
  ],
  ["a duplicate key", "log: {}\nlog: {}", "log (line 4): duplicate key, first on line 3"],
  ["a duplicate key inside", "log:\n  level: info\n  level: info", "log.level (line 5): duplicate key"],
  [
    "a duplicate section of ours",
    "active_version: v2",
    "active_version (line 3): duplicate key, first on line 2",
  ],
  ["a tab", "server:\n\tport: 1", "line 4: a tab in the indentation; use spaces"],
  ["an open quote", 'log: { level: "info }', "missing"],
  ["a second document", "---\na: 1", "a second document (---); the file must hold one"],
  ["an alias to nothing", "log: *x", "log (line 3): alias (*name) without an anchor (&name)"],
  ["an alias to itself", "log: &x { level: *x }", "log.level (line 3): expected one of", "found a map"],
  ["a tag", "log: !thing { level: info }", "line 3: tags (!name) are not used here"],
  ["a key that is a list", "? [a]\n: b", "line 3: a key must be plain text"],
];

for (const [what, yaml, ...expected] of BAD_KEYS) {
  test(`${what} is said with its place`, (t) => {
    const message = refusal(t, `${SHORT}${yaml}\n`);
    for (const text of expected) assert.ok(message.includes(text), `${text}\n— in —\n${message}`);
    assert.ok(!/^\s+at /m.test(message), "no stack");
  });
}

const BAD_BACKENDS: readonly (readonly [yaml: string, expected: string])[] = [
  ["v1: ftp://a", "only http:// and https:// can be forwarded to"],
  ["v1: a:80", "start with http:// or https://"],
  ["v1: http://a/path", "leave out the path"],
  ["v1: http://a//", "leave out the path"],
  ["v1: http://a?x", "leave out the query"],
  ['v1: "http://a#x"', "leave out the fragment"],
  ["v1: http://u:p@a", "leave out the user and password"],
  ["v1: http://", "the host or the port is not valid"],
  ["v1: http://a:0", "the host or the port is not valid"],
  ["v1: http://a:65536", "the host or the port is not valid"],
  ["v1: http://9001", "its host reads as 0.0.35.41"],
  [`v1: http://${"a".repeat(255)}`, "its host is longer than 254 characters"],
  ['v1: "http://a b"', "a space or a backslash"],
  ['v1: "http://a\\\\b"', "a space or a backslash"],
  ["v1: 9001", "found 9001"],
  ["v1:", "found nothing"],
  ["v1: [http://a]", "found a list; write targets in front of the list"],
  ['"a b": http://a', 'backends."a b" (line 3): expected a version name'],
  ["__proto__: http://a", "backends.__proto__ (line 3): expected a version name"],
];

for (const [line, expected] of BAD_BACKENDS) {
  test(`the backend ${line} is refused with its line`, (t) => {
    const message = refusal(
      t,
      `active_version: v2\nbackends:\n  ${line}\n  v2: http://b:1\n  v3: http://c:1\n`,
    );
    assert.match(message, /1 problem/);
    assert.ok(message.includes("(line 3)") && message.includes(expected), message);
  });
}

test("a missing backend and a missing active version are said", (t) => {
  assert.match(refusal(t, "log: {}"), /backends: expected a map.+ but it is missing/);
  assert.match(refusal(t, "log: {}"), /active_version: expected a version name.+ but it is missing/);
  const one = refusal(t, 'backends: { v1: "http://a" }\nactive_version: v3\n');
  assert.match(one, /backends \(line 1\): 2 to 64 versions are needed, found 1/);
  assert.match(one, /active_version \(line 2\): must be one of the backends \(v1\), found v3/);
});

test("all problems come at once, those between keys too, each with who set it", (t) => {
  const message = refusal(
    t,
    `${SHORT}server: { port: x }\nsvvvvvr: 1\nswitch: { drain: { deadline: 1s, websocket_window: 2s }, commit_timeout: 7 }\n`,
    { env: { ADMIN_PORT: "abc", ACTIVE_VERSION: "v9", BACKEND_V2: "tcp:x" }, flags: { "log-level": "loud" } },
  );
  for (const place of [
    "server.port (line 3)",
    "svvvvvr (line 4)",
    "switch.commit_timeout (line 5)",
    "switch.drain.websocket_window (line 5)",
    "admin.port (ADMIN_PORT)",
    "active_version (ACTIVE_VERSION)",
    "backends.v2 (BACKEND_V2)",
    "log.level (--log-level)",
  ]) {
    assert.ok(message.includes(`  ${place}: `), `${place}\n— in —\n${message}`);
  }
  assert.match(message, /: 8 problems in the config/);
});

test("a bad name of a backend in the environment or in a flag is said", (t) => {
  assert.match(
    refusal(t, SHORT, { env: { BACKEND__: "http://a" } }),
    /backends \(BACKEND__\): expected BACKEND_<NAME>/,
  );
  assert.match(refusal(t, SHORT, { env: { BACKEND___proto__: "http://a" } }), /\(BACKEND___proto__\)/);
  for (const pair of ["v3", "=http://a", "a b=http://a"]) {
    assert.match(
      refusal(t, SHORT, { flags: { backend: [pair] } }),
      /backends \(--backend\): expected NAME=URL/,
    );
  }
});

test("a secret is never printed", (t) => {
  const messages = [
    refusal(t, `${SHORT}admin: { token: "s3cret with spaces" }\n`),
    refusal(t, `${SHORT}admin: { token: [s3cret] }\n`),
    refusal(t, `${SHORT}admin: s3cret\n`),
    refusal(t, `${SHORT}admin: { tokn: s3cret }\n`),
    refusal(t, `${SHORT}admin: { token_file: s3cret }\n`),
    ...[
      "{ Authorization: [s3cret] }",
      '{ Authorization: "s3cret\\n" }',
      '{ Authorization: "s3cret " }',
      "{ Host: s3cret }",
      "{ X-A: s3cret, x-a: s3cret }",
      '{ "Authorization: s3cret": }',
      '{ "X-Key s3cret": a }',
      '"Authorization: s3cret"',
      '["Authorization: s3cret"]',
    ].map((headers) => refusal(t, `${SHORT}switch: { probe: { headers: ${headers} } }\n`)),
    refusal(t, `${SHORT}admin: { token: "a" s3cret }\n`),
    refusal(t, `${SHORT}admin: { token: @s3cret }\n`),
    refusal(t, `${SHORT}admin: { token: *s3cret }\n`),
    refusal(t, `${SHORT}admin: { token: !s3cret }\n`),
    refusal(t, `${SHORT}admin:\n  token: "s3cret\n`),
    refusal(t, SHORT, { env: { ADMIN_TOKEN: "s3cret s3cret" } }),
    refusal(t, SHORT, { env: { BACKEND_V1: "http://user:s3cret@host" } }),
    refusal(t, SHORT, { env: { BACKEND_V1: "http://host/?key=s3cret" } }),
    refusal(t, SHORT, { flags: { backend: ["v1=http://user:s3cret@host"] } }),
    refusal(t, SHORT, { flags: { backend: ["user:s3cret@host"] } }),
    refusal(t, 'backends: "http://user:s3cret@host"\nactive_version: v1\n'),
  ];
  for (const message of messages) assert.ok(!message.includes("s3cret"), message);
});

const BAD_FILES: readonly (readonly [what: string, content: string | Uint8Array, expected: RegExp])[] = [
  ["empty", "", /the file is empty/],
  ["only a comment", "# nothing\n", /the file is empty/],
  ["null", "~", /the file is empty/],
  ["a list", "- a", /line 1: expected keys such as server/],
  ["a text", "hello", /line 1: expected keys such as server/],
  ["binary", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0), /not a text file/],
  ["not UTF-8", Uint8Array.of(0x61, 0x3a, 0x20, 0xff, 0xfe), /not UTF-8/],
  ["UTF-16", Buffer.from("\uFEFFa: b", "utf16le"), /not UTF-8/],
  ["larger than 1 MiB", `#${"x".repeat(1024 * 1024)}`, /larger than 1024 KiB/],
  ["nested too deeply", "[".repeat(100_000), /nested too deeply/],
  ["nested deeply", `a: ${"[".repeat(500)}${"]".repeat(500)}`, /nested too deeply; is this the right file/],
  [
    "full of keys",
    Array.from({ length: 120_000 }, (_, i) => `k${i}:`).join("\n"),
    /more than 30000 keys and list items; is this the right file/,
  ],
];

for (const [what, content, expected] of BAD_FILES) {
  test(`a file that is ${what} is refused in words, soon`, (t) => {
    const startedAt = performance.now();
    assert.match(refusal(t, content), expected);
    assert.ok(performance.now() - startedAt < 20_000, "no step may take the square of the file's size");
  });
}

test("of very many problems the first hundred are listed", (t) => {
  const keys = Array.from({ length: 1000 }, (_, index) => `k${index}: 1`);
  assert.match(
    refusal(t, SHORT + keys.join("\n")),
    /1000 problems.+ {2}k99 \(line 102\).+\n {2}and 900 more$/s,
  );
});

test("aliases that multiply are refused", (t) => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 10; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(", ")}]`,
    );
  assert.match(refusal(t, lines.join("\n")), /aliases \(\*name\) repeat too much/);
});

test("a file that is not there, a folder or a pipe is refused with how to name another", (t) => {
  const path = emptyFolder(t);
  assert.match(
    refusalOf(join(path, "nope.yaml")),
    /does not exist; name another with --config FILE or CONFIG_FILE/,
  );
  mkdirSync(join(path, "folder"));
  assert.match(refusalOf(join(path, "folder")), /is a folder/);
  execFileSync("mkfifo", [join(path, "pipe")]);
  assert.match(refusalOf(join(path, "pipe")), /not a regular file/);
});

test("a file that may not be read is refused", {
  skip: process.getuid?.() === 0 && "root may read all",
}, (t) => {
  const file = join(emptyFolder(t), "config.yaml");
  writeFileSync(file, SHORT);
  chmodSync(file, 0);
  assert.match(refusalOf(file), /may not be read by this user/);
});
