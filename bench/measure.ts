/**
 * One sample: a contender is started anew, checked, warmed up, measured and ended.
 *
 * Anew each time, since one process is up to 5 % faster or slower than the next, and peaks of memory would stay.
 */
import assert from "node:assert/strict";
import { freePort } from "../test/support/free-port.ts";
import { request } from "../test/support/http-client.ts";
import { type BackendKind, backendCommand } from "./backends/backend-command.ts";
import type { Case } from "./cases/case.ts";
import type { Contender } from "./contenders/contender.ts";
import type { LoadJob, Tool } from "./load/jobs.ts";
import { LoadClient } from "./load-client.ts";
import { type Command, type Cores, type RunningProcess, startProcess, waitUntilReady } from "./process.ts";
import { memoryUsage } from "./process-usage.ts";
import type { Sample } from "./result.ts";
import { toSample } from "./sample.ts";
import { removeDirOfOurs, tempDirOfOurs } from "./temp-dirs.ts";

export interface LoadSize {
  readonly tool: Tool;
  readonly hasAb: boolean;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly abRequests: number;
}

/** Everything of a case but the contender. */
export interface Scene {
  readonly forCase: Case;
  readonly backendPort: number;
  readonly load: LoadClient;
  readonly contenderCore: number | undefined;
  close(): Promise<void>;
}

interface Served {
  readonly port: number;
  readonly process: RunningProcess;
  stop(): Promise<void>;
}

const IDLE_SETTLE_MS = 3_000;
/** Of a contender that failed, in characters. */
const MOST_OUTPUT = 1_000;
const AB_WARM_UP_REQUESTS = 50_000;

/** With more than one worker on two cores there is nothing to pin. */
export async function openScene(forCase: Case, allCores: Cores): Promise<Scene> {
  const cores: Cores =
    forCase.workers > 1 ? { load: undefined, backend: undefined, contender: undefined } : allCores;
  const backend = await startBackend(forCase.backend, cores.backend);
  const load = new LoadClient(cores.load);
  return {
    forCase,
    backendPort: backend.port,
    load,
    contenderCore: cores.contender,
    close: async () => {
      await load.stop();
      await backend.stop();
    },
  };
}

export async function startBackend(kind: BackendKind, core: number | undefined): Promise<Served> {
  return await serve("the backend", core, async (port, dir) => await backendCommand(kind, { port, dir }));
}

export async function startContender(
  contender: Contender,
  forCase: Case,
  scene: Pick<Scene, "backendPort" | "contenderCore">,
): Promise<Served> {
  const { backendPort, contenderCore } = scene;
  const served = await serve(contender.name, contenderCore, (port, dir) =>
    contender.prepare({ port, backendPort, dir, workers: forCase.workers, forCase }),
  );
  try {
    contender.verify?.(served.process.pid);
    return served;
  } catch (error) {
    await served.stop();
    throw error;
  }
}

/** @throws Error with the contender's output when anything was not answered as it should be. */
export async function takeSample(
  contender: Contender,
  scene: Scene,
  size: LoadSize,
  round: number,
): Promise<Sample> {
  const { forCase, load } = scene;
  const served = await startContender(contender, forCase, scene);
  const { pid, output } = served.process;
  try {
    await assertOneAnswer(served.port, forCase);
    const target = { port: served.port, pid };
    if (forCase.load.kind === "idle") await load.run(warmUpJob(target, size));
    const loaded = await load.run(jobFor(forCase, target, size));
    return toSample(round, loaded, memoryUsage(pid));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const told = output().slice(-MOST_OUTPUT);
    throw new Error(`${contender.name}, round ${round} of ${forCase.name}: ${why.trim()}\n${told}`, {
      cause,
    });
  } finally {
    await served.stop();
  }
}

async function assertOneAnswer(port: number, { load, answerBytes }: Case): Promise<void> {
  const upload = load.kind === "http" ? (load.uploadBytes ?? 0) : 0;
  const path = load.kind === "http" ? load.path : "/";
  const reply = await request(
    port,
    upload > 0 ? { method: "POST", path, body: "x".repeat(upload) } : { path },
  );
  assert.equal(reply.status, 200);
  assert.equal(reply.bytes.length, answerBytes, "the body's length");
}

function jobFor({ load, answerBytes }: Case, target: { port: number; pid: number }, size: LoadSize): LoadJob {
  const { tool, hasAb, warmUpMs, durationMs, abRequests } = size;
  const http = { kind: "http", tool, path: "/", uploadBytes: 0, isClosing: false, answerBytes } as const;
  switch (load.kind) {
    case "http":
      return { ...http, ...target, ...load, warmUpMs, durationMs };
    case "ab":
      if (!hasAb) return { ...http, ...target, connections: load.connections, warmUpMs, durationMs };
      return {
        ...target,
        ...load,
        requests: abRequests,
        warmUpRequests: Math.min(AB_WARM_UP_REQUESTS, abRequests),
        answerBytes,
      };
    case "transfer":
      return { ...target, ...load };
    case "idle":
      return { ...target, ...load, settleMs: IDLE_SETTLE_MS };
    case "websocket":
      return { ...target, ...load, warmUpMs, durationMs };
  }
}

/** So that what is compiled and allocated once is there before the first look at the memory. */
function warmUpJob(target: { port: number; pid: number }, { tool, warmUpMs }: LoadSize): LoadJob {
  return {
    ...target,
    kind: "http",
    tool,
    path: "/",
    connections: 64,
    uploadBytes: 0,
    answerBytes: 2,
    isClosing: false,
    warmUpMs: 0,
    durationMs: Math.max(warmUpMs, 1_000),
  };
}

/** On a free port, in a folder of its own; ready when it answers `GET /` with 200. */
async function serve(
  name: string,
  core: number | undefined,
  prepare: (port: number, dir: string) => Promise<Command>,
): Promise<Served> {
  const [port, dir] = [await freePort(), await tempDirOfOurs()];
  let running: RunningProcess | undefined;
  const stop = async (): Promise<void> => {
    await running?.stop();
    await removeDirOfOurs(dir);
  };
  try {
    running = startProcess(await prepare(port, dir), { core });
    await waitUntilReady(name, running, async () => (await request(port, { limitMs: 1_000 })).status === 200);
    return { port, process: running, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
