/** `traffic-switching drill --switches 2 --json`, of broken-daemon.ts in place of the daemon. */
import { fileURLToPath } from "node:url";
import { runDrill } from "../../src/drill/drill.ts";

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const exitCode = await runDrill(
  {
    switches: 2,
    isJson: true,
    daemonEntry: fileURLToPath(new URL(`./broken-daemon.${extension}`, import.meta.url)),
  },
  {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  },
);
process.exit(exitCode);
