/**
 * The rules of the layout, each a pure function from a tree to its violations. Pure.
 *
 * Which part may know which, and who alone touches what. A new folder of src/ gets its line in LAYERS.
 */
import { packageOf, type SourceFile } from "./source-tree.ts";

export interface Rule {
  readonly says: string;
  /** One line for each violation; empty when the rule holds. */
  violations(tree: readonly SourceFile[]): string[];
}

const SHARED = ["core", "config", "health", "http", "telemetry", "ipc"];

/** What each part of src/ may import besides itself: a folder with all that is in it, or one file. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ["core"],
  config: ["core"],
  health: ["core", "config"],
  http: ["core", "config"],
  telemetry: ["core", "config"],
  ipc: ["core", "config", "health", "telemetry"],
  "data-plane": [...SHARED, "wire"],
  "control-plane": SHARED,
  cli: ["core", "config", "control-plane/switch/inspect-state.ts"],
  "own-daemon": ["core"],
  demo: ["core", "config", "own-daemon"],
  drill: ["core", "own-daemon"],
  "primary.ts": [...SHARED, "control-plane"],
  "serve.ts": ["core", "config", "control-plane/workers/forks.ts", "primary.ts"],
  "worker.ts": [...SHARED, "data-plane"],
  "compile-cache.ts": [],
  "main.ts": ["compile-cache.ts", ...SHARED, "cli", "drill/drill.ts", "serve.ts", "worker.ts"],
};

/** The only files that may load a package, not just its types. */
const HOMES: Readonly<Record<string, RegExp>> = {
  pino: /^telemetry\//,
  "prom-client": /^telemetry\//,
  yaml: /^config\//,
};

/** HTTP that is not ours: what it repairs, drops or holds back, we could no longer promise. Contenders of the bench. */
const NOWHERE: ReadonlySet<string> = new Set(["http-proxy", "undici"]);

/**
 * An `import` of them reads every export once, and one of these loads all of undici (40 ms of CPU for each process that
 * starts), or every root certificate (5 ms). `process.getBuiltinModule` reads none, and can wait until it is needed.
 */
const SLOW_TO_IMPORT: ReadonlySet<string> = new Set(["node:http", "node:https", "node:tls"]);
/** Never part of a start of the daemon. */
const NOT_THE_DAEMON: ReadonlySet<string> = new Set(["demo", "drill", "own-daemon"]);

/** What must not be loaded together with a file, however long the way of imports to it. */
const NOT_AT_START: Readonly<Record<string, RegExp>> = {
  "main.ts": /^(zod|yaml|pino|prom-client|(cli|config|control-plane|data-plane)\/.*)$/,
  "cli/run.ts": /^(zod|yaml|control-plane\/.*)$/,
  "serve.ts": /^(zod|yaml|pino|prom-client|config\/schema\.ts|primary\.ts)$/,
  "worker.ts": /^(zod|yaml|prom-client|config\/(schema|load)\.ts|node:(https?|zlib|fs|crypto)(\/.*)?)$/,
  "primary.ts": /^(yaml|prom-client|config\/load\.ts)$/,
};

/** Parts that must do without some of node: core and wire do no I/O at all, a request needs no disk and no fork. */
const WITHOUT: readonly { readonly part: string; readonly modules: RegExp }[] = [
  { part: "core", modules: /^node:/ },
  { part: "wire", modules: /^node:/ },
  { part: "data-plane", modules: /^node:(fs|child_process|cluster|sqlite|worker_threads)(\/|$)/ },
  { part: "control-plane", modules: /^node:(worker_threads|sqlite)(\/|$)/ },
];

const STEPS = ["admit", "route", "pick", "forward", "record"];
/** What every step of the data plane may stand on. */
const GROUND = ["data-plane/backend", "data-plane/sockets"];
/** Makes the errors of system calls, which are Node's own elsewhere. */
const BINDING = "data-plane/sockets/stream-binding.ts";
/** The only files that may use what Node does not document. */
const USE_UNDOCUMENTED: readonly string[] = [BINDING, "control-plane/workers/listening-socket.ts"];
/** The files of the data plane that know several steps. */
const KNOWS_STEPS = ["data-plane/pipeline.ts", "data-plane/serving.ts", "data-plane/worker-report.ts"];

export const RULES: readonly Rule[] = [
  {
    says: "imports go one way: core < wire and core < config < health, http, telemetry < ipc < the planes < primary, worker < main; cli needs core, config and a look at the state, demo core and config, the drill core; both run the daemon as a process of its own",
    violations: (tree) =>
      eachImport(tree, (file, { to, isOurs }) => {
        const allowed = LAYERS[file.part];
        if (!allowed) return `no layer for ${file.part}`;
        const isAllowed = [file.part, ...allowed].some((one) => to === one || to.startsWith(`${one}/`));
        return isOurs && !isAllowed ? `may not import ${to}` : null;
      }),
  },
  { says: "there are no cycles, not even of types", violations: (tree) => cycles(tree) },
  {
    says: "pino, prom-client and yaml each have a home; elsewhere only their types",
    violations: (tree) =>
      eachImport(tree, (file, found) => {
        const home = HOMES[packageOf(found) ?? ""];
        return home && !found.isType && !home.test(file.path) ? `may not load ${found.to}` : null;
      }),
  },
  {
    says: "HTTP is our own: nobody knows http-proxy or undici, not even their types",
    violations: (tree) =>
      eachImport(tree, (_, found) =>
        NOWHERE.has(packageOf(found) ?? "") ? `may not import ${found.to}` : null,
      ),
  },
  {
    says: "the daemon takes node:http, node:https and node:tls from process.getBuiltinModule: an import loads more than them",
    violations: (tree) =>
      eachImport(tree, (file, { to, isType, how }) =>
        SLOW_TO_IMPORT.has(to) && !isType && how !== "by name" && !NOT_THE_DAEMON.has(file.part)
          ? `may not import ${to}`
          : null,
      ),
  },
  {
    says: "a start loads what it needs and no more: no config in a worker, no metrics before the daemon is ready",
    violations: (tree) =>
      Object.entries(NOT_AT_START).flatMap(([path, late]) =>
        loadedBy(tree, path)
          .filter((to) => late.test(to))
          .map((to) => `${path} loads ${to}`),
      ),
  },
  {
    says: "core and wire import nothing of node; the data plane neither disk nor processes; nobody starts threads",
    violations: (tree) =>
      eachImport(tree, (file, { to }) =>
        WITHOUT.some(({ part, modules }) => part === file.part && modules.test(to))
          ? `may not import ${to}`
          : null,
      ),
  },
  {
    says: "in the data plane a step imports backend/ and sockets/ alone, those two nothing, and only pipeline.ts, serving.ts and worker-report.ts know several steps",
    violations: dataPlane,
  },
  {
    says: "every failure is a ProxyError or a StartError: no built-in error is made, save one of a system call in stream-binding.ts, and core/errors.ts alone extends one",
    violations: (tree) =>
      tree.flatMap((file) => {
        const isForbidden = (line: string): boolean =>
          (BUILT_IN_MADE.test(line) && file.path !== BINDING) ||
          (BUILT_IN_EXTENDED.test(line) && file.path !== "core/errors.ts");
        return codeLines(file)
          .filter(isForbidden)
          .map((line) => `${file.path}: ${line.trim()}`);
      }),
  },
  {
    says: "what Node does not document is used in stream-binding.ts and listening-socket.ts alone",
    violations: (tree) =>
      tree.flatMap((file) =>
        codeLines(file)
          .filter((line) => UNDOCUMENTED.test(line) && !USE_UNDOCUMENTED.includes(file.path))
          .map((line) => `${file.path}: ${line.trim()}`),
      ),
  },
  {
    says: "there are no default exports",
    violations: (tree) =>
      tree
        .filter(({ text }) => /^export (default\b|\{[^}]*\bas default\b)/m.test(text))
        .map(({ path }) => path),
  },
];

const UNDOCUMENTED = /\b_handle\b|\bprocess\.binding\b|\binternalBinding\b/;
const BUILT_IN_MADE = /\bnew (Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error\(/;
const BUILT_IN_EXTENDED = /\bextends (Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error\b/;

function eachImport(
  tree: readonly SourceFile[],
  judge: (file: SourceFile, found: SourceFile["imports"][number]) => string | null,
): string[] {
  return tree.flatMap((file) =>
    file.imports.flatMap((found) => {
      const problem = judge(file, found);
      return problem === null ? [] : [`${file.path} ${problem}`];
    }),
  );
}

/** Every file, package and built-in module that is there once `path` is. */
function loadedBy(tree: readonly SourceFile[], path: string): string[] {
  const files = new Map(tree.map((file) => [file.path, file]));
  const loaded = new Set<string>();
  const visit = (from: string): void => {
    for (const { to, isOurs, isType, how } of files.get(from)?.imports ?? []) {
      if (isType || how !== "statement" || loaded.has(to)) continue;
      loaded.add(to);
      if (isOurs) visit(to);
    }
  };
  visit(path);
  return [...loaded];
}

function dataPlane(tree: readonly SourceFile[]): string[] {
  const stepOf = (path: string): string | undefined =>
    STEPS.find((step) => path.startsWith(`data-plane/${step}/`));
  return tree
    .filter(({ part }) => part === "data-plane")
    .flatMap(({ path, imports }) => {
      const own = path.split("/").slice(0, -1).join("/");
      const others = imports.filter(
        ({ to, isOurs }) => isOurs && to.startsWith("data-plane/") && !to.startsWith(`${own}/`),
      );
      const foreign = others.filter(({ to }) => !GROUND.some((room) => to.startsWith(`${room}/`)));
      if (GROUND.includes(own)) return others.map(({ to }) => `${path} may not import ${to}`);
      if (stepOf(path)) return foreign.map(({ to }) => `${path} may not import ${to}`);
      const known = new Set(imports.map(({ to }) => stepOf(to)).filter(Boolean));
      if (known.size < 2 || KNOWS_STEPS.includes(path)) return [];
      return [`${path} knows several steps: ${[...known].join(", ")}`];
    });
}

/** Every cycle once, as the way around. */
function cycles(tree: readonly SourceFile[]): string[] {
  const files = new Map(tree.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at >= 0) found.push([...way.slice(at), path].join(" > "));
    if (at >= 0 || done.has(path)) return;
    for (const { to, isOurs } of files.get(path)?.imports ?? []) if (isOurs) visit(to, [...way, path]);
    done.add(path);
  };
  for (const { path } of tree) visit(path, []);
  return found;
}

/** Without comments that have a line of their own. */
function codeLines({ text }: SourceFile): string[] {
  return text.split("\n").filter((line) => !/^\s*(\/\/|\/?\*)/.test(line));
}
