/**
 * README.md and README.zh-CN.md against the code: the tables marked `<!-- checked: … -->`, in both directions,
 * and against each other: headings, commands, links.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { COMMANDS } from "../../src/cli/arguments.ts";
import { EXIT_CODES } from "../../src/cli/help.ts";
import { ENVIRONMENT, FLAGS } from "../../src/config/overrides.ts";
import { POOL_KEY_PATHS, versionSettings } from "../../src/config/pool-schema.ts";
import { KEY_PATHS, settingsSchema } from "../../src/config/schema.ts";
import type { AdminDeps } from "../../src/control-plane/admin/admin-deps.ts";
import { getRoot } from "../../src/control-plane/admin/get-root.ts";
import { createAdminRouter } from "../../src/control-plane/admin/router.ts";
import { type AdminCall, TRAFFIC_PORT_PATHS } from "../../src/core/admin-call.ts";
import { systemClock } from "../../src/core/clock.ts";
import { ADMIN_ERRORS, FORWARD_ERRORS, ProxyError } from "../../src/core/errors.ts";
import { METRIC_PREFIX, METRICS } from "../../src/telemetry/metrics.ts";
import { assertLinksLead, checkedTable, key, quoted, ROOT, readText, shapeOf } from "../support/markdown.ts";

const ENGLISH = { name: "README.md", yes: "yes", text: readText("README.md") };
const CHINESE = { name: "README.zh-CN.md", yes: "是", text: readText("README.zh-CN.md") };
const PACKAGE = JSON.parse(readText("package.json")) as {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

/** `{ server: { port: 8080 } }` from `server.port`. */
function nested(entries: readonly (readonly [path: string, value: unknown])[]): Record<string, unknown> {
  const top: Record<string, unknown> = {};
  for (const [path, value] of entries) {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    let inner = top;
    for (const each of keys) {
      inner[each] ??= {};
      inner = inner[each] as Record<string, unknown>;
    }
    inner[last] = value;
  }
  return top;
}

const TARGET_KEY = "targets[].";
const CONFIG_SECTIONS = new Set(KEY_PATHS.map((path) => path.split(".", 1)[0]));
const NEEDED = { backends: { v1: "http://10.0.0.1:9000", v2: "http://10.0.0.2:9000" }, active_version: "v1" };

for (const { name, text, yes } of [ENGLISH, CHINESE]) {
  test(`${name} lists every config key, in order, and no other`, () => {
    const rows = checkedTable(text, "config");
    assert.deepEqual(
      rows.map(([path]) => key(path)),
      KEY_PATHS,
    );
  });

  test(`${name} gives each config key's default, and none to the keys that must be there`, () => {
    const rows = checkedTable(text, "config").map(([path, value]) => [key(path) ?? "", key(value)] as const);
    const defaults = rows.flatMap(([path, value]) => (value === null ? [] : [[path, parse(value)] as const]));
    assert.deepEqual(settingsSchema.parse({ ...nested(defaults), ...NEEDED }), settingsSchema.parse(NEEDED));
    assert.deepEqual(
      rows.filter(([, value]) => value === null).map(([path]) => path),
      Object.keys(NEEDED),
    );
    for (const path of Object.keys(NEEDED)) {
      assert.ok(
        !settingsSchema.safeParse({ ...NEEDED, [path]: undefined }).success,
        `${path} has no default`,
      );
    }
  });

  test(`${name} lists every key of a version with its default, in order, and no other`, () => {
    const rows = checkedTable(text, "version config");
    assert.deepEqual(
      rows.map(([path]) => key(path)),
      POOL_KEY_PATHS,
    );
    const defaults = rows.flatMap(([path, value]) => {
      const given = key(value);
      return given === null ? [] : [[key(path) ?? "", parse(given)] as const];
    });
    assert.equal(defaults.length, rows.length - 1, "every key but the URL has a default");
    const isOfTarget = ([path]: readonly [string, unknown]) => path.startsWith(TARGET_KEY);
    const ofTarget = defaults
      .filter(isOfTarget)
      .map(([path, value]) => [path.slice(TARGET_KEY.length), value]);
    const target = { url: "http://a", ...Object.fromEntries(ofTarget) };
    const ofPool = nested(defaults.filter((entry) => !isOfTarget(entry)));
    const schema = versionSettings();
    assert.deepEqual(
      schema.parse({ targets: [target], ...ofPool }),
      schema.parse({ targets: ["http://a"], health: {}, outlier: {}, breaker: {}, sticky: {} }),
    );
  });

  test(`${name} lists every environment variable with the key it sets, and no other`, () => {
    assert.deepEqual(
      checkedTable(text, "environment").map(([variable, sets]) => [key(variable), key(sets)]),
      ENVIRONMENT.map((variable) => [variable.name, variable.sets]),
    );
  });

  test(`${name} lists every flag with the key it sets, and no other`, () => {
    assert.deepEqual(
      checkedTable(text, "flags").map(([flag, sets]) => [key(flag), key(sets)]),
      FLAGS.map((flag) => {
        const short = "short" in flag ? `-${flag.short}, ` : "";
        return [`${short}--${flag.name}${flag.value === null ? "" : ` ${flag.value}`}`, flag.sets];
      }),
    );
  });

  test(`${name} lists every command and every exit code, and no other`, () => {
    assert.deepEqual(
      checkedTable(text, "commands").map(([command]) => key(command)),
      COMMANDS.map((command) => command.name),
    );
    assert.deepEqual(
      checkedTable(text, "exit codes").map(([code]) => key(code)),
      EXIT_CODES.map(({ code }) => String(code)),
    );
  });

  test(`${name} lists every metric with its type and labels, and no other`, () => {
    assert.deepEqual(
      checkedTable(text, "metrics").map(([metric, type, labels]) => [key(metric), type, quoted(labels)]),
      Object.entries(METRICS).map(([metric, { type, labels }]) => [
        METRIC_PREFIX + metric,
        type,
        [...labels],
      ]),
    );
  });

  test(`${name} lists every error code with its status, and no other`, () => {
    assert.deepEqual(
      checkedTable(text, "forward errors").map(([status, code, proxyStatus]) => [
        key(code),
        Number(status),
        key(proxyStatus),
      ]),
      Object.entries(FORWARD_ERRORS).map(([code, spec]) => [
        code,
        spec.status,
        "proxyStatus" in spec ? spec.proxyStatus : null,
      ]),
    );
    assert.deepEqual(
      checkedTable(text, "admin errors").map(([status, code]) => [key(code), Number(status)]),
      Object.entries(ADMIN_ERRORS).map(([code, { status }]) => [code, status]),
    );
  });

  test(`${name} lists every admin call, who may, and what answers on the traffic port`, async () => {
    const rows = checkedTable(text, "admin").map(([call, need, onTraffic]) => {
      const [method = "", path = ""] = (key(call) ?? "").split(" ");
      return { method, path, need, isOnTraffic: onTraffic === yes };
    });
    // GET / lists all calls but itself.
    const listed = [...getRoot().body.matchAll(/^(GET|POST) +(\S+)/gm)].map(([, method, path]) => [
      method,
      path,
    ]);
    assert.deepEqual(
      rows.filter(({ path }) => path !== "/").map(({ method, path }) => [method, path]),
      listed,
    );
    assert.deepEqual(
      new Set(rows.filter(({ isOnTraffic }) => isOnTraffic).map(({ path }) => path)),
      TRAFFIC_PORT_PATHS,
    );
    for (const { method, path, need, isOnTraffic } of rows) {
      const call = `${method} ${path}`;
      const methods = rows.filter((row) => row.path === path).map((row) => row.method);
      assert.deepEqual(
        await methodsOf(path),
        methods.flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each])),
        call,
      );
      assert.equal(await needOf(method, path), need, call);
      const onTraffic = await router([])({ ...strangersCall(method, path), listener: "traffic" });
      assert.equal(onTraffic.status !== 404, isOnTraffic, `${call} on the traffic port`);
    }
  });

  test(`${name} lists every dependency, and no other`, () => {
    const kinds = { run: PACKAGE.dependencies, dev: PACKAGE.devDependencies };
    assert.deepEqual(
      checkedTable(text, "dependencies")
        .map(([dependency, kind]) => `${kind} ${key(dependency)}`)
        .sort(),
      Object.entries(kinds)
        .flatMap(([kind, packages]) => Object.keys(packages).map((dependency) => `${kind} ${dependency}`))
        .sort(),
    );
  });

  test(`${name} quotes log sentences that the sources have`, () => {
    const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => readText(join("src", path)))
      .join("\n");
    for (const [cell] of checkedTable(text, "logs")) {
      const sentence = key(cell) ?? "";
      const [start = ""] = sentence.split("…", 1);
      const literal = start === sentence ? `"${sentence}"` : `\`${start}\${`;
      assert.ok(sources.includes(literal), sentence);
    }
  });

  test(`${name} has config examples that the daemon takes as they stand`, () => {
    const examples = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
      .map(([, body = ""]) => parse(body) as Record<string, unknown>)
      .filter((example) => Object.keys(example).every((section) => CONFIG_SECTIONS.has(section)));
    assert.ok(examples.length >= 4, `${examples.length} examples`);
    for (const example of examples) {
      const { error } = settingsSchema.safeParse({ ...NEEDED, ...example });
      assert.equal(error?.message, undefined, JSON.stringify(example));
    }
  });

  test(`${name} names only npm scripts, files and headings that exist`, () => {
    const scripts = [...text.matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)].map(
      ([, run, short]) => run ?? short,
    );
    for (const script of new Set(scripts)) assert.ok(PACKAGE.scripts[script ?? ""], `npm run ${script}`);
    assertLinksLead(text);
  });
}

test("both READMEs have the same headings, tables and code blocks, in the same order", () => {
  assert.deepEqual(shapeOf(CHINESE.text), shapeOf(ENGLISH.text));
});

test("the changelog begins with the version of the package", () => {
  const [, newest] = /^## (\S+)/m.exec(readText("CHANGELOG.md")) ?? [];
  assert.equal(newest, PACKAGE.version);
});

const STRANGER = "203.0.113.9";

function strangersCall(method: string, path: string): AdminCall {
  const headers = { host: "127.0.0.1:8081", "content-type": "application/json" };
  return { method, target: path, headers, body: "", remoteAddress: STRANGER, listener: "admin" };
}

/** Without a token. Nothing is behind it: a call that was let in fails with another status than 403. */
function router(readAllow: readonly string[]): ReturnType<typeof createAdminRouter> {
  const fail = (): never => {
    throw new ProxyError("NOT_READY", "let in");
  };
  const deps: AdminDeps = {
    switcher: { switchTo: fail, rollback: fail, pause: fail, resume: fail, status: fail },
    backends: {
      change: fail,
      beforeSwitch: (begin) => begin(),
      get pools() {
        return fail();
      },
    },
    store: { history: fail },
    fleet: { workers: fail, collect: fail },
    pools: fail,
    describe: fail,
    metrics: { text: fail, summary: fail },
    events: { open: fail, isFull: false, isClosed: false },
    config: {
      admin: {
        host: "127.0.0.1",
        port: 8081,
        socket: null,
        token: null,
        tokens: [],
        readAllow,
        onTrafficPort: true,
        tls: null,
      },
      backends: [],
    },
    build: { version: "0.0.0", node: "0.0.0" },
    readiness: () => ({ ready: true, why: "" }),
    startCheck: () => ({ state: "not_needed", version: null, saw: null }),
    clock: systemClock,
    log: { error: () => undefined },
  };
  return createAdminRouter(deps);
}

async function methodsOf(path: string): Promise<string[]> {
  const { status, headers } = await router([])(strangersCall("PATCH", path));
  assert.equal(status, 405, path);
  return (headers.Allow ?? "").split(", ");
}

/** Found out by who is refused: everybody may, only who may read, or nobody without a token. */
async function needOf(method: string, path: string): Promise<string> {
  const isRefused = async (readAllow: readonly string[]): Promise<boolean> =>
    (await router(readAllow)(strangersCall(method, path))).status === 403;
  if (!(await isRefused([]))) return "open";
  return (await isRefused([STRANGER])) ? "change" : "read";
}
