/**
 * Makes docs/performance.md, its Chinese twin and docs/performance/*.svg from results of the bench. What is written
 * by hand around the made sections stays. Measures nothing.
 *
 * `npm run bench:page -- [RESULT.json ...] [--profile PROFILE.json]`: without a result the newest that has every case;
 * of several, the last that has a case counts for it. Without a profile, the newest.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { newestProfile, readProfile } from "./page/profile-source.ts";
import { render } from "./page/render.ts";
import { newestFull, readSource } from "./page/sources.ts";
import { ROOT } from "./place.ts";

function main(): void {
  const { values, positionals } = parseArgs({
    options: { profile: { type: "string" } },
    allowPositionals: true,
  });
  const fromRoot = (file: string): string => relative(ROOT, resolve(file));
  const sources = positionals.map((file) => readSource(fromRoot(file)));
  if (sources.length === 0) {
    const newest = newestFull();
    if (!newest)
      throw new Error(
        "no result in bench/results has every case: run npm run bench -- --all, or name results",
      );
    sources.push(newest);
  }
  const profile = values.profile === undefined ? newestProfile() : readProfile(fromRoot(values.profile));
  const files = render(sources, profile, (path) => readFileSync(join(ROOT, path), "utf8"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), content);
    process.stdout.write(`${path}\n`);
  }
}

try {
  main();
} catch (error) {
  process.stderr.write(`bench:page: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
