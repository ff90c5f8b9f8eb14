/**
 * Serve: the first steps of the daemon, in an order that lets it be ready soon: the first worker's process starts
 * while the config is read, the others as soon as their number is known, and then the control plane is loaded.
 *
 * Runs in the primary. A start that fails takes those processes along: they have done nothing yet.
 */
import type { Environment, Flags } from "./config/overrides.ts";
import { Forks } from "./control-plane/workers/forks.ts";
import { StartError } from "./core/errors.ts";

export async function serve(flags: Flags, env: Environment & NodeJS.ProcessEnv): Promise<void> {
  const forks = new Forks([...process.execArgv, env.NODE_OPTIONS].join(" "));
  try {
    forks.startAhead(1);
    const { loadConfig } = await import("./config/load.ts");
    const config = loadConfig({ file: flags.config, env, flags });
    delete env.ADMIN_TOKEN; // see forks.ts
    forks.startAhead(config.server.workers - 1);
    const { startPrimary } = await import("./primary.ts");
    await startPrimary(config, forks);
  } catch (error) {
    forks.killAll();
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`traffic-switching: ${error.message}\n`);
    process.exit(error.exitCode);
  }
}
