/** What the bench of the switch measures: calls, rollbacks, and what clients feel around a switch. */
import { setTimeout as delay } from "node:timers/promises";
import type { Latency, Window } from "../../test/load/judgement.ts";
import { CLIENTS, type MadeSwitch, monotonicMs, type SwitchScene } from "../../test/load/switch-scene.ts";

/** How the clients send: not at all, each its next request at once, or each at a pace. */
export const LOADS = { none: null, paced: 32, full: 0 } as const;
export type Load = keyof typeof LOADS;

export interface CallSample {
  readonly load: Load;
  /** From the call to its whole answer, as the caller saw it, connection included. */
  readonly callMs: number;
  /** Of the answer. */
  readonly phases: Readonly<Record<string, number>>;
}

export interface RollbackSample {
  readonly load: Load;
  readonly callMs: number;
  readonly phases: Readonly<Record<string, number>>;
  /** At the backend it goes back to, from before the call until its traffic has come back. */
  readonly newConnections: number;
}

export interface AroundSample {
  readonly load: Load;
  readonly callMs: number;
  readonly phases: CallSample["phases"];
  /** At the backend it goes to, from before the call until the second around it has ended. */
  readonly newConnections: number;
  readonly calm: Latency;
  readonly around: Latency;
}

export interface Around {
  readonly load: Load;
  readonly samples: readonly AroundSample[];
  /** All windows of a kind taken together; `-500`: from 500 ms before the call on, for 100 ms. */
  readonly together: Readonly<Record<string, Latency | null>>;
}

const BETWEEN = 5 * CLIENTS;
const BETWEEN_MS = 20;
const CALM_MS = 1_000;
const HALF_MS = 500;
const GAP_MS = 250;
const SLICE_MS = 100;

/** Runs `work` under a load, and fails when a request did or was answered by the wrong version. */
export async function underLoad(
  { clients }: SwitchScene,
  load: Load,
  work: () => Promise<{ made: readonly MadeSwitch[]; windows?: readonly Window[] }>,
) {
  const paceMs = LOADS[load];
  if (paceMs === null) {
    await work();
    return null;
  }
  await clients.begin(paceMs);
  await clients.more(50 * CLIENTS);
  const { made, windows = [] } = await work();
  await clients.stop();
  const seen = await clients.judge({ switches: made, windows });
  const wrong = [...seen.failures, ...seen.stale, ...seen.turnedBackOnConnection];
  if (wrong.length > 0) throw new Error(`requests went wrong: ${JSON.stringify(wrong)}`);
  return seen;
}

export async function measureCalls(scene: SwitchScene, load: Load, count: number): Promise<CallSample[]> {
  const made: MadeSwitch[] = [];
  await underLoad(scene, load, async () => {
    for (let n = 0; n < count; n++) {
      made.push(await scene.switchOver());
      await between(scene, load);
    }
    return { made };
  });
  return made.map(({ callMs, answer }) => ({ load, callMs, phases: phasesOf(answer) }));
}

export async function measureRollbacks(
  scene: SwitchScene,
  load: Load,
  count: number,
): Promise<RollbackSample[]> {
  const samples: RollbackSample[] = [];
  await underLoad(scene, load, async () => {
    const made: MadeSwitch[] = [];
    for (let n = 0; n < count; n++) {
      made.push(await scene.switchOver());
      await between(scene, load);
      const backTo = scene.standby;
      const before = await scene.connectionsOf(backTo);
      const rolledBack = await scene.rollBack();
      made.push(rolledBack);
      await between(scene, load);
      const newConnections = (await scene.connectionsOf(backTo)) - before;
      samples.push({ load, callMs: rolledBack.callMs, phases: phasesOf(rolledBack.answer), newConnections });
    }
    return { made };
  });
  return samples;
}

/** Connections that nobody uses are closed soon, so that each switch is to a version that has none. */
export const COLD = { upstream: { keep_alive_timeout: "1s" }, switch: { rollback_window: "0s" } };

/** In turns: a second without a switch, a second around one. */
export async function measureAround(scene: SwitchScene, load: Load, count: number): Promise<Around> {
  const made: MadeSwitch[] = [];
  const opened: number[] = [];
  const pairs: Window[] = [];
  const slices: Window[] = [];
  const seen = await underLoad(scene, load, async () => {
    for (let n = 0; n < count; n++) {
      await delay(GAP_MS);
      const calmMs = monotonicMs();
      await delay(CALM_MS + HALF_MS);
      const target = scene.standby;
      const before = await scene.connectionsOf(target);
      const switched = await scene.switchOver();
      await delay(HALF_MS);
      opened.push((await scene.connectionsOf(target)) - before);
      made.push(switched);
      const { calledMs } = switched;
      pairs.push({ name: "calm", fromMs: calmMs, toMs: calmMs + CALM_MS });
      pairs.push({ name: "around", fromMs: calledMs - HALF_MS, toMs: calledMs + HALF_MS });
      for (let atMs = -HALF_MS; atMs < HALF_MS; atMs += SLICE_MS) {
        const fromMs = calledMs + atMs;
        slices.push({ name: `${atMs}`, fromMs, toMs: fromMs + SLICE_MS });
      }
    }
    return { made, windows: [...pairs, ...slices] };
  });
  if (seen === null) throw new Error("no load, nothing to measure");
  const samples = made.map(({ callMs, answer }, i) => {
    const [calm, around] = [seen.windows[2 * i], seen.windows[2 * i + 1]];
    if (!calm || !around) throw new Error("a second without a single request");
    const phases = phasesOf(answer);
    return { load, callMs, phases, newConnections: opened[i] ?? 0, calm, around };
  });
  return { load, samples, together: seen.together };
}

async function between(scene: SwitchScene, load: Load): Promise<void> {
  if (load === "none") await delay(BETWEEN_MS);
  else await scene.clients.more(BETWEEN);
}

function phasesOf({ phases }: MadeSwitch["answer"]): CallSample["phases"] {
  return phases as CallSample["phases"];
}
