/**
 * `npm audit` of what ships, with exceptions that name their reason. Exit code 0: clean or excepted, 1: found
 * something, 77: the registry has no audit, so nothing was audited.
 */
import { spawnSync } from "node:child_process";
import { type Exception, judge } from "./audit-report.ts";

const AUDIT_LIMIT_MS = 90_000;
const EXIT_CODES = { clean: 0, found: 1, "not run": 77 } as const;

const EXCEPTIONS: readonly Exception[] = [];

const { stdout } = spawnSync("npm", ["audit", "--omit=dev", "--json"], {
  encoding: "utf8",
  timeout: AUDIT_LIMIT_MS,
  stdio: ["ignore", "pipe", "inherit"],
});
const { kind, lines } = judge(stdout ?? "", EXCEPTIONS);
const summary = {
  clean: "no finding that stands",
  found: "audit failed",
  "not run": "audit: not available here, not run",
};
process.stdout.write(`${[...lines, summary[kind]].join("\n")}\n`);
process.exitCode = EXIT_CODES[kind];
