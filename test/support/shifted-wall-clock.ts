/**
 * Loaded before the daemon (`--import`): its wall clock is off by what a file says, in milliseconds, read anew each
 * time; so a test sets the clock of one process as `date -s` would that of a machine. The monotonic clock is left alone.
 */
import { readFileSync } from "node:fs";

const RealDate = Date;
const file = process.env.TEST_WALL_SHIFT_FILE;

function nowMs(): number {
  return RealDate.now() + (file === undefined ? 0 : Number(readFileSync(file, "utf8")));
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [nowMs()] : args, newTarget),
  get: (target, name, receiver) => (name === "now" ? nowMs : Reflect.get(target, name, receiver)),
});
