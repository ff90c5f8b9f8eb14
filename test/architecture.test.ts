/**
 * The layout holds: layers, cycles, homes of packages, errors. Each rule is also shown a tree that breaks it,
 * so that one that can no longer fail is found.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RULES } from "./architecture/rules.ts";
import { makeTree, packageOf, readTree } from "./architecture/source-tree.ts";

const source = readTree("src");

for (const rule of RULES) {
  test(rule.says, () => assert.deepEqual(rule.violations(source), []));
}

/** Trees that break exactly one rule, and the violation that must be found. */
const BROKEN: readonly { what: string; tree: Record<string, string>; finds: string }[] = [
  {
    what: "core that imports config",
    tree: { "core/a.ts": 'import { b } from "../config/b.ts";\n' },
    finds: "core/a.ts may not import config/b.ts",
  },
  {
    what: "a type that config takes from a layer above",
    tree: { "config/a.ts": 'import type { B } from "../ipc/b.ts";\n' },
    finds: "config/a.ts may not import ipc/b.ts",
  },
  {
    what: "an import over several lines, from the other plane",
    tree: { "data-plane/a.ts": 'import {\n  type B,\n  c,\n} from "../control-plane/switch/b.ts";\n' },
    finds: "data-plane/a.ts may not import control-plane/switch/b.ts",
  },
  {
    what: "something handed on from the other plane",
    tree: { "control-plane/a.ts": 'export { b } from "../data-plane/b.ts";\n' },
    finds: "control-plane/a.ts may not import data-plane/b.ts",
  },
  {
    what: "an import of a type in the middle of the code",
    tree: { "core/a.ts": 'let a: import("../http/b.ts").B;\n' },
    finds: "core/a.ts may not import http/b.ts",
  },
  {
    what: "an import of node:http",
    tree: { "http/a.ts": 'import type { A } from "node:http";\nimport { b } from "node:http";\n' },
    finds: "http/a.ts may not import node:http",
  },
  {
    what: "a built-in module that core asks for by name",
    tree: { "core/a.ts": 'const a = process.getBuiltinModule("node:http");\n' },
    finds: "core/a.ts may not import node:http",
  },
  {
    what: "a worker that loads zod by a way of imports",
    tree: {
      "worker.ts": 'import { a } from "./core/a.ts";\n',
      "core/a.ts": 'import type { c } from "yaml";\nimport { b } from "./b.ts";\n',
      "core/b.ts": 'import { z } from "zod";\n',
    },
    finds: "worker.ts loads zod",
  },
  {
    what: "cli that knows a plane",
    tree: { "cli/a.ts": 'import { b } from "../control-plane/b.ts";\n' },
    finds: "cli/a.ts may not import control-plane/b.ts",
  },
  {
    what: "a drill that looks into the daemon it judges",
    tree: { "drill/a.ts": 'import type { B } from "../control-plane/b.ts";\n' },
    finds: "drill/a.ts may not import control-plane/b.ts",
  },
  {
    what: "a primary that knows the command line",
    tree: { "primary.ts": 'import { b } from "./cli/run.ts";\n' },
    finds: "primary.ts may not import cli/run.ts",
  },
  {
    what: "a main that loads a plane while it runs",
    tree: { "main.ts": 'const { a } = await import("./data-plane/a.ts");\n' },
    finds: "main.ts may not import data-plane/a.ts",
  },
  {
    what: "a folder that has no place in the layers",
    tree: { "utils/a.ts": 'import { b } from "node:fs";\n' },
    finds: "utils/a.ts no layer for utils",
  },
  {
    what: "two files that import each other",
    tree: { "core/a.ts": 'import "./b.ts";\n', "core/b.ts": 'import type { A } from "./a.ts";\n' },
    finds: "core/a.ts > core/b.ts > core/a.ts",
  },
  {
    what: "a longer cycle behind a start that is not part of it",
    tree: {
      "main.ts": 'import "./core/a.ts";\n',
      "core/a.ts": 'import "./b.ts";\n',
      "core/b.ts": 'import "./c.ts";\n',
      "core/c.ts": 'import "./b.ts";\n',
    },
    finds: "core/b.ts > core/c.ts > core/b.ts",
  },
  {
    what: "a package that is loaded outside of its home, where its types would do",
    tree: {
      "config/text-file.ts": 'import { parse } from "yaml";\n',
      "health/probe.ts": 'import { type Logger } from "pino";\n',
      "health/b.ts": 'import type { Logger } from "pino";\n',
    },
    finds: "health/probe.ts may not load pino",
  },
  {
    what: "somebody else's HTTP on the way of a request",
    tree: { "data-plane/forward/exchange.ts": 'import httpProxy from "http-proxy";\n' },
    finds: "data-plane/forward/exchange.ts may not import http-proxy",
  },
  {
    what: "a type of somebody else's HTTP, of a file within the package",
    tree: { "health/probe.ts": 'import type { Dispatcher } from "undici/types/dispatcher.js";\n' },
    finds: "health/probe.ts may not import undici/types/dispatcher.js",
  },
  {
    what: "a clock in core that reads a file",
    tree: { "core/a.ts": 'import { readFileSync } from "node:fs";\n' },
    finds: "core/a.ts may not import node:fs",
  },
  {
    what: "a codec that opens a socket",
    tree: { "wire/a.ts": 'import { connect } from "node:net";\n' },
    finds: "wire/a.ts may not import node:net",
  },
  {
    what: "a codec that knows its user",
    tree: { "wire/a.ts": 'import type { B } from "../data-plane/b.ts";\n' },
    finds: "wire/a.ts may not import data-plane/b.ts",
  },
  {
    what: "a probe that knows the pool it goes through",
    tree: { "health/probe.ts": 'import type { B } from "../data-plane/forward/b.ts";\n' },
    finds: "health/probe.ts may not import data-plane/forward/b.ts",
  },
  {
    what: "a control plane that reads HTTP heads",
    tree: { "control-plane/admin/a.ts": 'import { b } from "../../wire/b.ts";\n' },
    finds: "control-plane/admin/a.ts may not import wire/b.ts",
  },
  {
    what: "a listener that knows one step, next to one that knows two",
    tree: {
      "data-plane/listener/a.ts": 'import "../forward/a.ts";\n',
      "data-plane/listener/b.ts": 'import "../forward/a.ts";\nimport "../record/a.ts";\n',
    },
    finds: "data-plane/listener/b.ts knows several steps: forward, record",
  },
  {
    what: "a disk in the data plane",
    tree: { "data-plane/admit/a.ts": 'import { open } from "node:fs/promises";\n' },
    finds: "data-plane/admit/a.ts may not import node:fs/promises",
  },
  {
    what: "a socket that knows what it carries",
    tree: { "data-plane/sockets/a.ts": 'import type { B } from "../backend/b.ts";\n' },
    finds: "data-plane/sockets/a.ts may not import data-plane/backend/b.ts",
  },
  {
    what: "a hand on the handle of a socket, away from its one place",
    tree: {
      "data-plane/sockets/stream-binding.ts": "const a = socket._handle;\n",
      "data-plane/listener/b.ts": "socket._handle.close();\n",
    },
    finds: "data-plane/listener/b.ts: socket._handle.close();",
  },
  {
    what: "a step that imports another step",
    tree: {
      "data-plane/record/a.ts":
        'import { B } from "../backend/b.ts";\nimport type { C } from "../forward/c.ts";\n',
    },
    finds: "data-plane/record/a.ts may not import data-plane/forward/c.ts",
  },
  {
    what: "a step that imports what stands above the steps",
    tree: { "data-plane/admit/a.ts": 'import type { B } from "../serving.ts";\n' },
    finds: "data-plane/admit/a.ts may not import data-plane/serving.ts",
  },
  {
    what: "a backend that knows a step",
    tree: { "data-plane/backend/a.ts": 'import type { B } from "../pick/b.ts";\n' },
    finds: "data-plane/backend/a.ts may not import data-plane/pick/b.ts",
  },
  {
    what: "a listener that knows several steps",
    tree: {
      "data-plane/pipeline.ts": 'import "./admit/a.ts";\nimport "./forward/b.ts";\n',
      "data-plane/listener/a.ts": 'import "../admit/a.ts";\nimport "../forward/b.ts";\n',
    },
    finds: "data-plane/listener/a.ts knows several steps: admit, forward",
  },
  {
    what: "a plain Error",
    tree: { "config/a.ts": '// no new Error("x")\nthrow new Error("b");\n' },
    finds: 'config/a.ts: throw new Error("b");',
  },
  {
    what: "a built-in error of another name",
    tree: { "core/errors.ts": 'throw new RangeError("b");\nthrow new ProxyError("C", "d");\n' },
    finds: 'core/errors.ts: throw new RangeError("b");',
  },
  {
    what: "an error class of its own",
    tree: { "config/a.ts": "class A extends TypeError {}\nclass B extends StartError {}\n" },
    finds: "config/a.ts: class A extends TypeError {}",
  },
  { what: "a default export", tree: { "core/a.ts": "export default 1;\n" }, finds: "core/a.ts" },
  {
    what: "a default export by name",
    tree: { "core/a.ts": "export { a as default };\n" },
    finds: "core/a.ts",
  },
];

for (const { what, tree, finds } of BROKEN) {
  test(`the rules find ${what}`, () => {
    const found = RULES.flatMap((rule) => rule.violations(makeTree(tree)));
    assert.deepEqual(found, [finds]);
  });
}

test("every rule is shown to fail", () => {
  const failing = RULES.filter((rule) =>
    BROKEN.some(({ tree }) => rule.violations(makeTree(tree)).length > 0),
  );
  assert.deepEqual(
    failing.map(({ says }) => says),
    RULES.map(({ says }) => says),
  );
});

test("every import of our own leads to a file", () => {
  const paths = new Set(source.map(({ path }) => path));
  assert.ok(paths.size > 50, `only ${paths.size} files found`);
  const ours = source.flatMap(({ imports }) => imports.filter(({ isOurs }) => isOurs));
  assert.deepEqual(
    ours.filter(({ to }) => !paths.has(to)),
    [],
  );
});

test("src imports every dependency, and nothing that is not one", () => {
  const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const packages = new Set(
    source.flatMap(({ imports }) => imports.flatMap((found) => packageOf(found) ?? [])),
  );
  assert.deepEqual([...packages].sort(), Object.keys(dependencies).sort());
});

test("no file of src is left out by the search for imports", () => {
  const without = source.filter(({ text, imports }) => /^import\b/m.test(text) && imports.length === 0);
  assert.deepEqual(without, []);
});
