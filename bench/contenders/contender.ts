/**
 * A contender: one proxy in its fastest documented set-up for one process or one worker, doing the same job
 * as all others: everything that comes to `port` goes to the backend.
 */
import type { Case } from "../cases/case.ts";
import type { Command } from "../process.ts";

export interface Job {
  readonly port: number;
  readonly backendPort: number;
  /** An empty folder of its own, removed afterwards. */
  readonly dir: string;
  /** Processes or threads that serve. */
  readonly workers: number;
  /** What will be asked of it: some set-ups depend on it. */
  readonly forCase: Case;
}

export interface Contender {
  readonly name: string;
  /** Its set-up, for the report. */
  readonly about: string;
  /** Runs only when --only names it. */
  readonly isExtra?: boolean;
  /** Of the program itself; undefined when it is not on this machine, which leaves the contender out. */
  version(): string | undefined;
  /** Why it takes no part in a case; undefined: it does. */
  whyNot?(one: Case): string | undefined;
  /** Writes what it needs into `job.dir`; says how it is started. */
  prepare(job: Job): Promise<Command>;
  /** Asks the running one whether it is what it should be; throws when not. */
  verify?(pid: number): void;
}

const MOST_FILES = 20_000;
const MOST_BACKEND_CONNECTIONS = 1_000;

/**
 * For what is one process and would open a connection to the backend for every request on its way: with so many clients
 * it would run out of files (a usual limit is 20,000) and fail. Undefined: no bound, its default.
 */
export function mostBackendConnections({ load }: Case): number | undefined {
  return load.kind === "ab" && load.connections * 2 > MOST_FILES ? MOST_BACKEND_CONNECTIONS : undefined;
}
