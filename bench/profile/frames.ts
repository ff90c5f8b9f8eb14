/** A frame as `perf script` prints it, as a short name and the kind of code that it is. Pure. */

/** `ours`: JavaScript of this repository. `native`: C++ of the node program. `library`: anything else that is mapped. */
export const FRAME_KINDS = ["kernel", "ours", "node", "builtin", "native", "library", "unknown"] as const;

export type FrameKind = (typeof FRAME_KINDS)[number];

export function isFrameKind(text: string): text is FrameKind {
  return (FRAME_KINDS as readonly string[]).includes(text);
}

export interface Frame {
  readonly name: string;
  readonly kind: FrameKind;
}

const LINE = /^\s+[0-9a-f]+ (.*) \(([^()]*(?: \(deleted\))?)\)$/;
const SCRIPT = /^(?:JS|LazyCompile|Function|Eval|Script):[*~^+']*(\S*) ?(.*?)(?::(\d+):\d+)?$/;
const KERNEL_OBJECT = /^\[(?!unknown|vdso|vsyscall|heap|stack)/;

/**
 * @param root of this repository: no path of the machine that it lies on gets into a name.
 * @returns undefined when the line is none of a stack.
 */
export function parseFrame(line: string, root: string): Frame | undefined {
  const [, symbolAt = "", object = ""] = LINE.exec(line) ?? [];
  if (symbolAt === "") return undefined;
  const symbol = symbolAt.replace(/\+0x[0-9a-f]+$/, "");
  if (KERNEL_OBJECT.test(object)) return { name: symbol, kind: "kernel" };
  if (/perf-\d+\.map$/.test(object)) return fromMap(symbol, root);
  if (symbol === "[unknown]") return { name: nameOfFile(object), kind: "unknown" };
  if (symbol.startsWith("Builtins_")) return { name: symbol.slice("Builtins_".length), kind: "builtin" };
  return { name: shortened(symbol), kind: /\/node$/.test(object) ? "native" : "library" };
}

/** Of /tmp/perf-PID.map, which V8 writes. */
function fromMap(symbol: string, root: string): Frame {
  const [, name = "", where = "", line = ""] = SCRIPT.exec(symbol) ?? [];
  if (name === "" && where === "") return { name: symbol, kind: "builtin" };
  const shownName = name === "" ? "(anonymous)" : name;
  const isOfNode = where.startsWith("node:") || where === "";
  const place = isOfNode ? where : withoutRoot(where, root);
  const at = place === "" ? "" : ` ${place}${line === "" ? "" : `:${line}`}`;
  return { name: shownName + at, kind: isOfNode ? "node" : "ours" };
}

function withoutRoot(where: string, root: string): string {
  const path = where.replace(/^file:\/\//, "");
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1).replace(/^dist\//, "") : nameOfFile(path);
}

function nameOfFile(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Without arguments and template arguments, which can be hundreds of characters. */
function shortened(symbol: string): string {
  let depth = 0;
  let kept = "";
  for (const char of symbol
    .replaceAll("(anonymous namespace)", "anonymous")
    .replaceAll("operator()", "call")) {
    if (char === "<" || char === "(") depth++;
    if (depth === 0) kept += char;
    if (char === ">" || char === ")") depth = Math.max(0, depth - 1);
  }
  return kept === "" ? symbol : kept;
}
