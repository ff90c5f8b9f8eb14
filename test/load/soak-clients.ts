/** The clients of the soak: each does one job after another, over the connection it has or a new one, and some leave amid one. */
import { setTimeout as delay } from "node:timers/promises";
import { openRaw, type RawClient } from "../support/raw-client.ts";
import { withLimit } from "../support/wait.ts";
import { WrongBytes } from "./content.ts";
import { Random } from "./random.ts";
import { JOBS, type Job } from "./soak-jobs.ts";

export interface Tally {
  /** Answers that were whole and right, and jobs that were cut short on purpose. */
  answers: number;
  aborted: number;
  marked: number;
  readonly failures: string[];
}

/** Which version must answer; undefined while that changes. `moves` counts the changes, begun and done. */
export interface Active {
  version: string | undefined;
  moves: number;
}

const ABORTED_SHARE = 0.1;
const NEW_SHARE = 0.2;
const LATEST_ABORT_MS = 60;
const MAX_THINK_MS = 30;
/** Far more than anything takes, also on a machine that has better things to do. */
const WAIT_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 60_000;
const ENOUGH_FAILURES = 20;
const MAX_FAILURE_TEXT = 500;
const ADDRESSES = 8;

export class SoakClients {
  readonly tally: Tally = { answers: 0, aborted: 0, marked: 0, failures: [] };
  readonly #port: number;
  readonly #active: Active;
  #isStopping = false;
  #clients: Promise<void>[] = [];

  constructor(port: number, active: Active) {
    this.#port = port;
    this.#active = active;
  }

  get isFailed(): boolean {
    return this.tally.failures.length >= ENOUGH_FAILURES;
  }

  /** @param seed with the same, each does the same jobs in the same order. */
  start(count: number, seed: number): void {
    this.#isStopping = false;
    this.#clients = Array.from({ length: count }, (_none, i) =>
      this.#run(new Random(seed + i), `127.0.0.${2 + (i % ADDRESSES)}`),
    );
  }

  /** Lets the jobs that run end, and closes every connection. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await withLimit(Promise.all(this.#clients), STOP_LIMIT_MS, "the clients to end their jobs");
  }

  async #run(random: Random, localAddress: string): Promise<void> {
    const open = (): Promise<RawClient> =>
      openRaw(this.#port, { localAddress, limitMs: WAIT_LIMIT_MS, waitLimitMs: WAIT_LIMIT_MS });
    let kept: RawClient | undefined;
    while (!this.#isStopping && !this.isFailed) {
      const job = random.pick(JOBS);
      const isAborted = random.chance(ABORTED_SHARE);
      const isKept = job.keeps && !isAborted && !random.chance(NEW_SHARE);
      try {
        const client = (isKept ? kept : undefined) ?? (await open());
        if (isKept) kept = client;
        const isGood = isAborted
          ? await this.#abortAmid(job, client, random)
          : await this.#do(job, client, random);
        if (!isKept) leave(client, random);
        else if (!isGood) kept = undefined;
      } catch (error) {
        this.#fail(job, error);
      }
      await delay(random.between(0, MAX_THINK_MS));
    }
    kept?.destroy();
  }

  /** @returns whether the connection can be used again. */
  async #do(job: Job, client: RawClient, random: Random): Promise<boolean> {
    const { version, moves } = this.#active;
    const answered = ({ header }: { header(name: string): string | undefined }): void => {
      this.tally.answers++;
      const by = header("x-version");
      if (this.#active.moves === moves && version !== undefined && by !== version) {
        throw new WrongBytes(`answered by ${by} while ${version} was active`);
      }
    };
    try {
      await job.run({ client, random, answered });
      if (job.isMarked) this.tally.marked++;
      return true;
    } catch (error) {
      this.#fail(job, error);
      client.destroy();
      return false;
    }
  }

  /** Whatever the job meets after its client has left is its own fault, but for wrong bytes. */
  async #abortAmid(job: Job, client: RawClient, random: Random): Promise<false> {
    let isOver = false;
    let hasLeft = false;
    const leaving = delay(random.next() ** 2 * LATEST_ABORT_MS).then(() => {
      if (isOver) return;
      hasLeft = true;
      leave(client, random);
    });
    try {
      await job.run({ client, random, answered: () => {} });
    } catch (error) {
      if (!hasLeft || error instanceof WrongBytes) this.#fail(job, error);
    }
    isOver = true;
    await leaving;
    if (hasLeft) this.tally.aborted++;
    client.destroy();
    return false;
  }

  #fail(job: Job, error: unknown): void {
    if (!this.isFailed) this.tally.failures.push(`${job.name}: ${String(error).slice(0, MAX_FAILURE_TEXT)}`);
  }
}

/** With a FIN, with one that is followed by a RST when more comes, or with a RST. */
function leave(client: RawClient, random: Random): void {
  const how = random.next();
  if (how < 0.33) client.end();
  else if (how < 0.66) client.destroy();
  else client.reset();
}
