/** Where and on what a result was made: machine, versions, commit. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, totalmem } from "node:os";
import { ROOT } from "./place.ts";
import { firstLineOf } from "./process.ts";

export interface Environment {
  readonly date: string;
  /** Short hash; `uncommitted` before the first commit. */
  readonly commit: string;
  /** Whether files differ from that commit. */
  readonly isModified: boolean;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  readonly packages: Readonly<Record<string, string>>;
}

const PACKAGES = ["autocannon", "http-proxy", "fast-proxy", "fastify", "@fastify/http-proxy"];

export function environment(): Environment {
  const commit = firstLineOf("git", ["-C", ROOT, "rev-parse", "--short", "HEAD"]);
  const status = firstLineOf("git", ["-C", ROOT, "--no-optional-locks", "status", "--porcelain"]);
  return {
    date: new Date().toISOString(),
    commit: commit || "uncommitted",
    isModified: status !== "",
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    v8: process.versions.v8,
    packages: Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])),
  };
}

/** Of the programs that make the load and, mostly, the backend. */
export function toolVersions(): Record<string, string> {
  const outputs = {
    wrk: /^wrk \S*?([\d.]+)/.exec(outputOf("wrk", ["-v"])),
    ab: /Version ([\d.]+)/.exec(outputOf("ab", ["-V"])),
  };
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, found]) => (found?.[1] === undefined ? [] : [[name, found[1]]])),
  );
}

/** wrk says its version with exit code 1. */
function outputOf(program: string, args: readonly string[]): string {
  return spawnSync(program, args, { encoding: "utf8" }).stdout ?? "";
}

/** Of a package in node_modules; read as a file, since not every package exports its package.json. */
export function packageVersion(name: string, from = ROOT): string {
  const paths = createRequire(`${from}/package.json`).resolve.paths(name) ?? [];
  for (const path of paths) {
    try {
      const { version } = JSON.parse(readFileSync(`${path}/${name}/package.json`, "utf8")) as {
        version?: string;
      };
      return version ?? "unknown";
    } catch {
      // not in this node_modules
    }
  }
  return "not installed";
}

/** `2030-01-31-235959-abc1234`: sorts by time. */
export function resultName({ date, commit }: Environment): string {
  return `${date.slice(0, 19).replace("T", "-").replaceAll(":", "")}-${commit}`;
}
