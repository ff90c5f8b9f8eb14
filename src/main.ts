#!/usr/bin/env node
/**
 * Entry: looks at the runtime, then becomes the primary or a worker, or runs a command that ends.
 *
 * Everything else is imported after the look: an old Node cannot even load it. And after the compile cache is there.
 */
import cluster from "node:cluster";
import { useCompileCache } from "./compile-cache.ts";

const NEEDED = { major: 24, minor: 9 }; // http.createServer's shouldUpgradeCallback

function isTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major < NEEDED.major || (major === NEEDED.major && minor < NEEDED.minor);
}

async function main(): Promise<void> {
  if (isTooOld()) {
    process.stderr.write(
      `traffic-switching needs Node.js ${NEEDED.major}.${NEEDED.minor} or later; this is ${process.versions.node}.\n` +
        "In a checkout, `npm start` and `npx traffic-switching` use the one that `npm ci` installed.\n",
    );
    process.exitCode = 1;
    return;
  }
  useCompileCache();
  if (cluster.isWorker) {
    const { runWorker } = await import("./worker.ts");
    runWorker();
    return;
  }
  const { run } = await import("./cli/run.ts");
  const argv = process.argv.slice(2);
  const output = {
    out: (text: string) => process.stdout.write(text),
    err: (text: string) => process.stderr.write(text),
  };
  const left = await run(argv, process.env, output);
  if (typeof left === "number") {
    process.exitCode = left;
    return;
  }
  if (left.command === "drill") {
    const { runDrill } = await import("./drill/drill.ts");
    process.exit(await runDrill(left.drill, output));
  }
  const { serve } = await import("./serve.ts");
  await serve(left.flags, process.env);
}

await main();
