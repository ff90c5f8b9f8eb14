/** admin.tokens and admin.socket as the operator writes them: what is taken, what is refused, and that no token is shown. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { withoutSecrets } from "../../../src/config/to-config.ts";
import { tempDir } from "../../support/temp-dir.ts";

const SHORT = 'backends: { v1: "http://a:1", v2: "http://b:1" }\nactive_version: v1\n';

async function load(
  t: TestContext,
  text: string,
  options: { files?: Record<string, string>; env?: Record<string, string>; cwd?: string } = {},
) {
  const dir = await tempDir(t, "tokens");
  const { files = {}, env = {}, cwd = dir } = options;
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  const file = join(dir, "config.yaml");
  writeFileSync(file, SHORT + text);
  return { dir, config: loadConfig({ file, env, cwd }) };
}

test("tokens come from the config or from files beside it, trimmed, in their order", async (t) => {
  const text = `admin:
  tokens:
    - { name: ci, role: switch, token_file: ci.token }
    - { name: prom, role: read, token: s3cret-prom }
`;
  const { config } = await load(t, text, { files: { "ci.token": " s3cret-ci\n" } });
  assert.equal(config.admin.token, null);
  assert.deepEqual(config.admin.tokens, [
    { name: "ci", role: "switch", token: "s3cret-ci" },
    { name: "prom", role: "read", token: "s3cret-prom" },
  ]);
});

test("ADMIN_TOKEN leaves the named tokens as they are", async (t) => {
  const text = "admin: { token: s3cret-old, tokens: [{ name: ci, role: switch, token: s3cret-ci }] }\n";
  const { config } = await load(t, text, { env: { ADMIN_TOKEN: "s3cret-new" } });
  assert.deepEqual([config.admin.token, config.admin.tokens.length], ["s3cret-new", 1]);
});

test("what workers get holds no token", async (t) => {
  const text = "admin: { token: s3cret-main, tokens: [{ name: ci, role: switch, token: s3cret-ci }] }\n";
  const { config } = await load(t, text);
  assert.match(JSON.stringify(config), /s3cret-main.*s3cret-ci/);
  assert.doesNotMatch(JSON.stringify(withoutSecrets(config)), /s3cret/);
});

test("the socket's path starts from the config's folder, in ADMIN_SOCKET from the working directory", async (t) => {
  const { config, dir } = await load(t, "admin: { socket: run/a.sock }\n");
  assert.deepEqual(config.admin.socket, { path: join(dir, "run/a.sock"), mode: 0o660 });
  const env = { ADMIN_SOCKET: "b.sock" };
  const { config: other } = await load(t, 'admin: { socket_mode: "0600" }\n', { env, cwd: "/run" });
  assert.deepEqual(other.admin.socket, { path: "/run/b.sock", mode: 0o600 });
});

test("a socket may stand beside the port that the traffic has: it is not used", async (t) => {
  const { config } = await load(t, "admin: { socket: a.sock, port: 8080 }\n");
  assert.notEqual(config.admin.socket, null);
});

const MANY = Array.from({ length: 65 }, (_, i) => `{ name: n${i}, role: read, token: s3cret-${i} }`).join();

const REFUSED: readonly (readonly [what: string, text: string, expected: string])[] = [
  ["no name", "tokens: [{ role: read, token: s3cret }]", "admin.tokens[0].name (line 3): expected a name"],
  ["a bad name", "tokens: [{ name: a b, role: read, token: s3cret }]", "found text (not shown)"],
  [
    "a token in place of the name",
    'tokens: [{ name: "s3cret/+=", role: read, token: ci }]',
    "found text (not shown)",
  ],
  ["a token in place of the role", "tokens: [{ name: ci, role: s3cret }]", "found text (not shown)"],
  [
    "a token as a key",
    "tokens: [{ s3cret: admin }]",
    "admin.tokens[0] (line 3): unknown key (not shown); known here: name, role, token, token_file",
  ],
  ["no role", "tokens: [{ name: ci, token: s3cret }]", "admin.tokens[0].role (line 3): expected one of read"],
  [
    "an unknown role",
    "tokens: [{ name: ci, role: root, token: s3cret }]",
    "switch, admin, found text (not shown)",
  ],
  ["no token", "tokens: [{ name: ci, role: read }]", "admin.tokens[0] (line 3): set token or token_file"],
  [
    "a token in two ways",
    "tokens: [{ name: ci, role: read, token: s3cret, token_file: f }]",
    "admin.tokens[0].token_file (line 3): set token or token_file, not both",
  ],
  [
    "a name twice",
    "tokens: [{ name: ci, role: read, token: s3cret-1 }, { name: ci, role: read, token: s3cret-2 }]",
    "admin.tokens[1].name (line 3): ci is the name of admin.tokens[0] already",
  ],
  [
    "a token twice",
    "tokens: [{ name: a, role: read, token: s3cret }, { name: b, role: read, token: s3cret }]",
    "admin.tokens[1] (line 3): is the same token as admin.tokens[0]",
  ],
  [
    "the token of admin.token again",
    "{ token: s3cret, tokens: [{ name: a, role: read, token: s3cret }] }",
    "admin.tokens[0] (line 3): is the same token as admin.token;",
  ],
  [
    "a token twice, once from a file",
    "tokens: [{ name: a, role: read, token: s3cret-in-file }, { name: b, role: read, token_file: f }]",
    "admin.tokens[1] (line 3): is the same token as admin.tokens[0]",
  ],
  [
    "a token that is no token",
    'tokens: [{ name: a, role: read, token: "s3cret x" }]',
    "admin.tokens[0].token (line 3): expected 1 to 1024",
  ],
  [
    "a token that is a number",
    "tokens: [{ name: a, role: read, token: 12345 }]",
    "found a number (not shown); write it in quotes",
  ],
  [
    "a file that is not there",
    "tokens: [{ name: a, role: read, token_file: s3cret }]",
    "admin.tokens[0].token_file (line 3): the file does not exist",
  ],
  ["an empty file", "tokens: [{ name: a, role: read, token_file: empty }]", "the file is empty"],
  [
    "a file of two words",
    "tokens: [{ name: a, role: read, token_file: words }]",
    "the file does not hold a token",
  ],
  [
    "a typo",
    "tokens: [{ nmae: a, role: read, token: s3cret }]",
    'admin.tokens[0].nmae (line 3): unknown key; did you mean "name"?',
  ],
  [
    "a text in place of the list",
    "tokens: s3cret",
    "admin.tokens (line 3): expected a list of at most 64 tokens",
  ],
  ["a text in the list", "tokens: [s3cret]", "admin.tokens[0] (line 3): expected a map"],
  ["65 tokens", `tokens: [${MANY}]`, "admin.tokens (line 3): expected a list of at most 64 tokens"],
  [
    "a mode without quotes",
    "socket_mode: 0660",
    "admin.socket_mode (line 3): expected file permissions in octal",
  ],
  ["a mode that is not octal", 'socket_mode: "0680"', "admin.socket_mode (line 3)"],
  ["a mode with more than permissions", 'socket_mode: "4755"', "admin.socket_mode (line 3)"],
  ["a path that is too long", `socket: ${"x".repeat(101)}`, "admin.socket (line 3): its whole path has"],
  [
    "a socket with TLS",
    "{ socket: a.sock, tls: { cert_file: c, key_file: k } }",
    "admin.socket (line 3): a Unix socket has no TLS; set admin.socket or admin.tls, not both",
  ],
  ["a certificate without its key", "tls: { cert_file: c }", "admin.tls.key_file (line 3): TLS needs both"],
  ["a key without its certificate", "tls: { key_file: k }", "admin.tls.cert_file (line 3): TLS needs both"],
  [
    "a client CA without TLS",
    "tls: { client_ca_file: c }",
    "admin.tls.client_ca_file (line 3): client certificates need TLS",
  ],
  [
    "an unknown client role",
    "tls: { client_role: root }",
    "admin.tls.client_role (line 3): expected one of read, switch, admin",
  ],
];

for (const [what, admin, expected] of REFUSED) {
  test(`${what} is refused with its key and what to do, and without a token`, async (t) => {
    const text = `admin: ${admin.startsWith("{") ? admin : `{ ${admin} }`}\n`;
    const files = { f: "s3cret-in-file", empty: "\n", words: "s3cret x" };
    await assert.rejects(load(t, text, { files }), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.ok(error.message.includes(expected), error.message);
      assert.doesNotMatch(error.message, /s3cret|12345/);
      return true;
    });
  });
}
