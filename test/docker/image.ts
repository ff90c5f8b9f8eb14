/**
 * An image without an engine: replays the stages of a Dockerfile, each in an empty folder that stands for `/`.
 *
 * RUN runs the very commands, with paths of the image moved below that folder, with the project's node as the
 * image's and this machine's npm. It is no container: the machine's own programs and libraries are there too.
 */
import { execFile } from "node:child_process";
import { chmod, chown, copyFile, cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { environmentOf, execForm, type Instruction, parseDockerfile, type Stage } from "./dockerfile.ts";
import { createIgnore } from "./ignore.ts";

const RUN_LIMIT_MS = 4 * 60_000;
/** First folders of paths that mean the machine's own. */
const SYSTEM = /^\/(bin|dev|etc|lib|proc|sbin|tmp|usr|var)(\/|$)/;
/** What npm and the test runner tell their children, and what would configure the daemon. */
const NOT_INHERITED =
  /^(npm_(?!config_(registry|userconfig|globalconfig|cafile|https?_proxy|noproxy)$)|INIT_CWD$|NODE_(?!EXTRA_CA_CERTS$)|STATE_DIR$|CONFIG_FILE$|SERVER_|ADMIN_|BACKEND_|ACTIVE_VERSION$|WORKERS$|LOG_LEVEL$)/;

export const IS_ROOT = process.getuid?.() === 0;

export interface Image {
  /** The folder that stands for `/`. */
  readonly root: string;
  /** Of the image as it stands in the Dockerfile: paths are the image's. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
  readonly volumes: readonly string[];
  readonly ports: readonly string[];
  readonly stopSignal: string;
  readonly entrypoint: readonly string[];
  readonly healthcheck: readonly string[];
  /** What a process in it gets: the machine's environment without what is ours, PATH, `env`, `extra`. */
  environment(extra?: Readonly<Record<string, string>>): Record<string, string>;
  /** Where a path of the image is on this machine. */
  place(path: string): string;
}

type Draft = {
  -readonly [Key in "env" | "workdir" | "user" | "stopSignal" | "entrypoint" | "healthcheck"]: Image[Key];
} & {
  readonly root: string;
  readonly volumes: string[];
  readonly ports: string[];
};

/**
 * @param context the folder with the Dockerfile; only read.
 * @param dir an empty folder for everything that is made.
 * @throws Error with the output of a command that failed.
 */
export async function buildImage(context: string, dir: string): Promise<Image> {
  const bin = await baseImage(dir);
  const isIgnored = createIgnore(await readFile(join(context, ".dockerignore"), "utf8"));
  const seen = join(dir, "context");
  await mkdir(seen);
  for await (const path of filesIn(context)) {
    if (!isIgnored(path)) await cp(join(context, path), join(seen, path));
  }
  const built = new Map<string, Draft>();
  let last: Draft | undefined;
  for (const [index, stage] of parseDockerfile(
    await readFile(join(context, "Dockerfile"), "utf8"),
  ).entries()) {
    last = await replayStage(stage, join(dir, `stage-${index}`), { bin, dir, context: seen, built });
    built.set(stage.name || `${index}`, last);
  }
  if (!last) throw new Error("the Dockerfile has no stage");
  const image = last;
  return {
    ...image,
    environment: (extra = {}) => environment(image, { bin, dir }, extra),
    place: (path) => placeIn(image.root, path),
  };
}

interface Surroundings {
  /** Goes first in PATH. */
  readonly bin: string;
  readonly dir: string;
  readonly context: string;
  readonly built: ReadonlyMap<string, Draft>;
}

/** What FROM brings: node. Copied, since the folder it is in may be closed to the image's user. */
async function baseImage(dir: string): Promise<string> {
  const bin = join(dir, "base", "bin");
  await mkdir(bin, { recursive: true });
  await copyFile(process.execPath, join(bin, "node"));
  await chmod(join(bin, "node"), 0o755);
  if (!IS_ROOT) {
    await writeFile(join(bin, "chown"), "#!/bin/sh\n"); // we own everything, and cannot give it away
    await chmod(join(bin, "chown"), 0o755);
  }
  return bin;
}

/** Every file below `dir`, hidden ones too; a short cut past what is large and ignored anyway. */
async function* filesIn(dir: string, folder = ""): AsyncGenerator<string> {
  for (const entry of await readdir(join(dir, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) yield path;
    else if (entry.isDirectory() && !["node_modules", ".git"].includes(path)) yield* filesIn(dir, path);
  }
}

async function replayStage(stage: Stage, root: string, around: Surroundings): Promise<Draft> {
  await mkdir(root);
  const draft: Draft = {
    root,
    env: {},
    workdir: "/",
    user: "",
    volumes: [],
    ports: [],
    stopSignal: "SIGTERM",
    entrypoint: [],
    healthcheck: [],
  };
  for (const instruction of stage.instructions) await obey(draft, instruction, around);
  return draft;
}

async function obey(draft: Draft, instruction: Instruction, around: Surroundings): Promise<void> {
  const { name, text } = instruction;
  switch (name) {
    case "WORKDIR":
      draft.workdir = resolve(draft.workdir, text);
      await mkdir(placeIn(draft.root, draft.workdir), { recursive: true });
      return;
    case "ENV":
      draft.env = { ...draft.env, ...environmentOf(instruction) };
      return;
    case "COPY":
      await copy(draft, instruction, around);
      return;
    case "RUN":
      await run(draft, instruction, around);
      return;
    case "USER":
      draft.user = text;
      return;
    case "VOLUME":
      draft.volumes.push(...exec(instruction));
      return;
    case "EXPOSE":
      draft.ports.push(...text.split(/\s+/));
      return;
    case "STOPSIGNAL":
      draft.stopSignal = text;
      return;
    case "HEALTHCHECK":
      draft.healthcheck = exec({ ...instruction, text: text.replace(/^CMD\s+/, "") });
      return;
    case "ENTRYPOINT":
      draft.entrypoint = exec(instruction);
      return;
    default:
      throw new Error(`Dockerfile:${instruction.line}: the replay cannot do ${name}`);
  }
}

function exec({ name, text, line }: Instruction): string[] {
  const words = execForm(text);
  if (!words)
    throw new Error(`Dockerfile:${line}: ${name} is not in exec form, so a shell would stand in between`);
  return words;
}

async function copy(draft: Draft, { text, flags, line }: Instruction, around: Surroundings): Promise<void> {
  const words = text.split(/\s+/);
  const target = words.pop() ?? "";
  const stage = flags.from === undefined ? undefined : around.built.get(flags.from);
  if (flags.from !== undefined && !stage) throw new Error(`Dockerfile:${line}: no stage ${flags.from}`);
  const from = stage?.root ?? around.context;
  const to = placeIn(draft.root, resolve(draft.workdir, target));
  const isIntoFolder = target.endsWith("/") || words.length > 1;
  for (const word of words) {
    const source = placeIn(from, resolve("/", word));
    const isFolder = (await stat(source)).isDirectory(); // its content is copied, not itself
    const place = isIntoFolder && !isFolder ? join(to, basename(source)) : to;
    await mkdir(dirname(place), { recursive: true });
    await cp(source, place, { recursive: true });
    if (flags.chmod !== undefined) await chmod(place, Number.parseInt(flags.chmod, 8));
    if (flags.chown !== undefined && IS_ROOT) {
      const [uid = 0, gid = uid] = flags.chown.split(":").map(Number);
      await chown(place, uid, gid);
    }
  }
}

async function run(draft: Draft, { text, line }: Instruction, around: Surroundings): Promise<void> {
  if (draft.user !== "") throw new Error(`Dockerfile:${line}: RUN after USER is not replayed`);
  const moved = text.replace(/(?<=^|[\s=:"'])\/[\w./-]*/g, (path) =>
    SYSTEM.test(path) ? path : placeIn(draft.root, path),
  );
  try {
    await promisify(execFile)("/bin/sh", ["-c", moved], {
      cwd: placeIn(draft.root, draft.workdir),
      env: environment(draft, around, { npm_config_cache: join(around.dir, "npm-cache") }),
      timeout: RUN_LIMIT_MS,
      maxBuffer: 64 * 2 ** 20,
    });
  } catch (cause) {
    const { stdout = "", stderr = "" } = cause as { stdout?: string; stderr?: string };
    throw new Error(`Dockerfile:${line}: RUN ${text} failed\n${stdout}${stderr}`, { cause });
  }
}

function environment(
  { root, env }: Pick<Draft, "root" | "env">,
  { bin }: Pick<Surroundings, "bin" | "dir">,
  extra: Readonly<Record<string, string>>,
): Record<string, string> {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  const own = Object.entries(env).map(([name, value]) => [
    name,
    value.startsWith("/") ? placeIn(root, value) : value,
  ]);
  const path = (process.env.PATH ?? "").split(":").filter((folder) => !folder.includes("node_modules"));
  return { ...Object.fromEntries([...inherited, ...own]), PATH: [bin, ...path].join(":"), ...extra };
}

function placeIn(root: string, path: string): string {
  return join(root, path);
}
