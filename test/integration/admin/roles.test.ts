/** Named tokens: what each role may do, on both ports, who it was in the history, and that no token is ever shown. */
import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { startPair } from "../../support/pair.ts";
import { runDaemon } from "../../support/proxy.ts";
import { tempDir } from "../../support/temp-dir.ts";

const LIMIT = { timeout: 30_000 };
const TOKENS = {
  prom: "kX7-secret-of-prometheus",
  ci: "kX7-secret-of-the-pipeline",
  oncall: "kX7-secret-of-the-human",
  main: "kX7-secret-of-admin.token",
} as const;
const SECRET = /kX7/;

const dir = await tempDir({ after }, "tokens");
await writeFile(join(dir, "ci"), `${TOKENS.ci}\n`);
await chmod(join(dir, "ci"), 0o600);
const tokens = [
  { name: "prom", role: "read", token: TOKENS.prom },
  { name: "ci", role: "switch", token_file: join(dir, "ci") },
  { name: "oncall", role: "admin", token: TOKENS.oncall },
];
const { proxy, v2 } = await startPair(
  { after },
  { workers: 2, config: { admin: { tokens } }, env: { ADMIN_TOKEN: TOKENS.main } },
);

const READS = ["/", "/status", "/metrics", "/history", "/livez", "/readyz"];
const ON_TRAFFIC = ["/switch", "/status", "/metrics"];
const bearer = (token: string) => ({ authorization: `Bearer ${token}`, host: "proxy.example" });

/** Status of each kind of call; a dry run is a switch that is not carried out. 200 is let in. The switch goes to the active version, so that it changes nothing. */
const TABLE = {
  prom: { read: 200, switch: 403, rollback: 403, force: 403 },
  ci: { read: 200, switch: 200, rollback: 409, force: 403 },
  oncall: { read: 200, switch: 200, rollback: 409, force: 200 },
  main: { read: 200, switch: 200, rollback: 409, force: 200 },
  nobody: { read: 401, switch: 401, rollback: 401, force: 401 },
} as const;

for (const [who, gets] of Object.entries(TABLE)) {
  const headers = bearer(who === "nobody" ? "kX7-wrong" : TOKENS[who as keyof typeof TOKENS]);

  test(`the token of ${who} gets ${gets.read} for reading`, LIMIT, async () => {
    for (const path of READS) {
      const isOpen = path === "/livez" || path === "/readyz";
      assert.equal((await proxy.admin("GET", path, { headers })).status, isOpen ? 200 : gets.read, path);
      if (!ON_TRAFFIC.includes(path)) continue;
      assert.equal((await proxy.adminOnTrafficPort("GET", path, { headers })).status, gets.read, path);
    }
  });

  test(
    `the token of ${who} gets ${gets.switch} for a switch, ${gets.rollback} for a rollback`,
    LIMIT,
    async () => {
      const body = { version: "v1" };
      const replies = [
        await proxy.admin("POST", "/switch", { headers, body }),
        await proxy.adminOnTrafficPort("POST", "/switch", { headers, body }),
      ];
      for (const reply of replies) assert.equal(reply.status, gets.switch, reply.body);
      const back = await proxy.admin("POST", "/rollback", { headers, body: {} });
      assert.equal(back.status, gets.rollback, back.body);
      for (const path of ["/pause", "/resume"]) {
        const reply = await proxy.admin("POST", path, { headers, body: {} });
        assert.equal(reply.status, gets.switch, `${path}: ${reply.body}`);
      }
      if (gets.switch !== 403) return;
      assert.match(back.body, /needs the role switch; token:prom has the role read/);
    },
  );

  test(
    `the token of ${who} gets ${gets.switch} for a dry run, which asks the backend unless it is refused`,
    LIMIT,
    async () => {
      const asked = v2.requests.length;
      const body = { version: "v2", dry_run: true };
      const replies = [
        await proxy.admin("POST", "/switch", { headers, body }),
        await proxy.adminOnTrafficPort("POST", "/switch", { headers, body }),
      ];
      for (const reply of replies) assert.equal(reply.status, gets.switch, reply.body);
      assert.equal(v2.requests.length > asked, gets.switch === 200);
    },
  );

  test(`the token of ${who} gets ${gets.read} for the events`, LIMIT, async () => {
    assert.equal((await proxy.admin("HEAD", "/events", { headers })).status, gets.read);
  });

  test(`the token of ${who} gets ${gets.force} with force`, LIMIT, async () => {
    const body = { force: true, reason: "test" };
    const forced = { headers, body: { ...body, version: "v1" } };
    const rehearsed = { headers, body: { ...body, version: "v2", dry_run: true } };
    const replies = [
      await proxy.admin("POST", "/switch", forced),
      await proxy.adminOnTrafficPort("POST", "/switch", forced),
      await proxy.admin("POST", "/switch", rehearsed),
      await proxy.adminOnTrafficPort("POST", "/switch", rehearsed),
    ];
    for (const reply of replies) assert.equal(reply.status, gets.force, reply.body);
    const back = await proxy.admin("POST", "/rollback", { headers, body });
    assert.equal(back.status, gets.force === 200 ? 409 : gets.force, back.body);
    if (who === "ci") assert.match(back.body, /force needs the role admin; token:ci has the role switch/);
  });
}

test(
  "loopback without a token may read and not change, once there are named tokens alone",
  LIMIT,
  async (t) => {
    const named = await startPair(t, { config: { admin: { tokens } } });
    assert.equal((await named.proxy.admin("GET", "/status")).status, 200);
    assert.equal((await named.proxy.admin("POST", "/switch", { body: { version: "v2" } })).status, 401);
    const { epoch } = await named.proxy.status();
    assert.equal(epoch, 0);
  },
);

test("the history and the log name whose token it was", LIMIT, async () => {
  for (const [who, version, force] of [
    ["ci", "v2", false],
    ["oncall", "v1", true],
    ["main", "v2", false],
  ] as const) {
    const body = { version, ...(force ? { force, reason: "test" } : {}) };
    const reply = await proxy.admin("POST", "/switch", { headers: bearer(TOKENS[who]), body });
    assert.equal(reply.status, 200, reply.body);
  }
  const back = await proxy.admin("POST", "/rollback", { headers: bearer(TOKENS.ci), body: {} });
  assert.equal(back.status, 200, back.body);
  const { entries } = (await proxy.admin("GET", "/history")).json() as { entries: { actor: string }[] };
  assert.deepEqual(
    entries.map(({ actor }) => actor),
    ["token:ci", "token", "token:oncall", "token:ci"],
  );
  await proxy.waitForLog(({ msg, actor }) => msg === "switched" && actor === "token:oncall");
});

test(
  "no token is shown: not in answers, refusals, logs or check, which has their names and roles",
  LIMIT,
  async () => {
    for (const path of READS) {
      for (const token of Object.values(TOKENS)) {
        const reply = await proxy.admin("GET", path, { headers: bearer(token) });
        assert.doesNotMatch(reply.body, SECRET, path);
      }
    }
    const bodies = [{ version: "v1", force: true, reason: "x" }, { version: "nope" }, { verison: "v1" }];
    for (const body of bodies) {
      for (const token of ["kX7-wrong", ...Object.values(TOKENS)]) {
        const reply = await proxy.admin("POST", "/switch", { headers: bearer(token), body });
        assert.doesNotMatch(reply.body, SECRET);
      }
    }
    assert.doesNotMatch(proxy.output(), SECRET);
    const env = { ADMIN_TOKEN: TOKENS.main };
    const checked = await runDaemon(["check", "--config", proxy.configFile], { env });
    assert.equal(checked.code, 0, checked.stderr);
    assert.match(
      checked.stdout,
      /tokens: token \(admin\), token:prom \(read\), token:ci \(switch\), token:oncall \(admin\)$/m,
    );
    assert.doesNotMatch(checked.stdout + checked.stderr, SECRET);
  },
);

test(
  "two equal tokens keep the daemon from starting: code 2, both named by their places, neither shown",
  LIMIT,
  async () => {
    const env = { ADMIN_TOKEN: TOKENS.oncall };
    const { code, stdout, stderr } = await runDaemon(["--config", proxy.configFile], { env });
    assert.equal(code, 2, stdout);
    assert.match(stderr, /admin\.tokens\[2\] \(line \d+\): is the same token as admin\.token; each needs/);
    assert.doesNotMatch(stdout + stderr, SECRET);
  },
);
