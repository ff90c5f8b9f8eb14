/**
 * A StateFs on the real disk that fails, tears or stops at the calls a test chooses.
 *
 * `crash` is what kill -9 leaves behind: that call and every later one have no effect. Handles are closed all
 * the same, so that a test leaks none.
 */
import type { FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { nodeFs, type StateFs } from "../../../../src/control-plane/switch/state-fs.ts";

/** `tear`: a write stops half way, then the process dies. `short`: a write writes half and says so. */
export type Fault = "go" | "fail" | "fail-after" | "crash" | "tear" | "short";

/** `call` is like `rename .version.tmp`; `number` counts from 1. */
export type Decide = (call: string, number: number) => Fault;

export interface FaultyFs extends StateFs {
  readonly calls: string[];
}

export function faultyFs(decide: Decide): FaultyFs {
  const calls: string[] = [];
  let isDead = false;
  const act = async <T>(call: string, work: () => Promise<T>, half?: () => Promise<T>): Promise<T> => {
    if (isDead) throw systemError("ECRASHED", call);
    calls.push(call);
    const fault = decide(call, calls.length);
    if (fault === "fail") throw systemError("EIO", call);
    if (fault === "crash" || fault === "tear") {
      isDead = true;
      if (fault === "tear") await half?.();
      throw systemError("ECRASHED", call);
    }
    if (fault === "short" && half !== undefined) return half();
    const result = await work();
    if (fault === "fail-after") throw systemError("EIO", call);
    return result;
  };
  return {
    calls,
    rename: (from, to) => act(`rename ${basename(String(from))}`, () => nodeFs.rename(from, to)),
    rm: (path, options) => act(`rm ${basename(String(path))}`, () => nodeFs.rm(path, options)),
    lstat: ((path: string) => act(`lstat ${basename(path)}`, () => nodeFs.lstat(path))) as StateFs["lstat"],
    open: async (path, flags, mode) => {
      const name = basename(String(path));
      let handle: FileHandle | undefined;
      try {
        handle = await act(`open ${name}`, async () => {
          handle = await nodeFs.open(path, flags, mode);
          return handle;
        });
      } catch (error) {
        await handle?.close(); // it was opened, and then the call failed
        throw error;
      }
      return watched(handle, name, act);
    },
  };
}

type Act = <T>(call: string, work: () => Promise<T>, half?: () => Promise<T>) => Promise<T>;

function watched(handle: FileHandle, name: string, act: Act): FileHandle {
  return new Proxy(handle, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const call = `${String(property)} ${name}`;
        if (property === "close") return target.close().then(() => act(call, async () => {}));
        // fsync shows only after a power failure, and would make thousands of cases slow.
        const work = async () => (property === "sync" ? undefined : member.apply(target, args));
        if (property !== "write" && property !== "writeFile") return act(call, work);
        const bytes = Buffer.from(args[0] as Buffer);
        const half = () => target.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
        return act<unknown>(call, work, half);
      };
    },
  });
}

function systemError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: ${call}`), { code });
}
