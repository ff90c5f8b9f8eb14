/**
 * A disk in memory that forgets like a real one: the StateFs of a simulated daemon.
 *
 * Holds one folder. Each process opens it through a mount of its own; a crash ends every mount. What a process
 * did since the last fsync of a file, or of the folder, lies in a cache: it outlives kill -9, and a power loss
 * takes any part of it. Deterministic: no real I/O, no timers, chance is handed in.
 *
 * The model is harsher than ext4 or xfs: what was not synced may survive in any combination, out of order.
 */
import { constants, type Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { StateFs } from "../../src/control-plane/switch/state-fs.ts";
import { Folder, SimFile } from "./sim-inodes.ts";

/** A number from 0 up to, but not including, 1. */
export type Random = () => number;

export interface SimCall {
  /** Like `rename .version.tmp`. */
  readonly name: string;
  /** Each call asks twice: before it has an effect, and after, before the process learns of it. */
  readonly when: "before" | "after";
  /** Of a write; 0 for every other call. */
  readonly byteCount: number;
}

/**
 * The scheduler's say in every call of one process: it may let it wait, crash the disk, or throw what the call
 * then fails with. A number, before a write, lets only so many bytes of it be written.
 */
export type Step = (call: SimCall) => Promise<number | undefined>;

export class SimDisk {
  readonly #path: string;
  readonly #folder = new Folder();
  #boot = 0;

  /** @param path of the one folder; it exists and is empty. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Ends all that runs. `keepCache`: kill -9; without it the power was lost. */
  crash({ keepCache, random }: { keepCache: boolean; random: Random }): void {
    this.#boot += 1;
    if (!keepCache) this.#folder.losePower(random);
  }

  /** What a process sees of the disk; after a crash each of its calls rejects and has no effect. */
  mount(step: Step): StateFs {
    const boot = this.#boot;
    const act: Act = async (name, work, byteCount = 0) => {
      const ask = async (when: SimCall["when"]): Promise<number | undefined> => {
        const said = boot === this.#boot ? await step({ name, when, byteCount }) : undefined;
        if (boot !== this.#boot) throw systemError("ECRASHED", name);
        return said;
      };
      const limitBytes = await ask("before");
      const result = work(limitBytes ?? byteCount);
      await ask("after");
      return result;
    };
    return this.#mounted(act);
  }

  /** What lies under a name now, without a step: a file's text, `directory`, or null. */
  peek(name: string): string | null {
    const found = this.#folder.find(name);
    return found instanceof SimFile ? found.content.toString("utf8") : (found ?? null);
  }

  names(): string[] {
    return this.#folder.names();
  }

  /** Puts a durable file there, or with null a directory. */
  put(name: string, text: string | null): void {
    this.#folder.link(name, text === null ? "directory" : SimFile.durable(text));
    this.#folder.sync();
  }

  /** Taken away by hand. */
  take(name: string): void {
    this.#folder.unlink(name);
    this.#folder.sync();
  }

  #mounted(act: Act): StateFs {
    const nameOf = (path: unknown): string => {
      const text = String(path);
      if (text !== this.#path && dirname(text) !== this.#path) throw systemError("EXDEV", text);
      return text === this.#path ? "." : basename(text);
    };
    const folder = this.#folder;
    const fs = {
      open: (path: unknown, flags = 0) => {
        const name = nameOf(path);
        return act(`open ${name}`, () =>
          name === "."
            ? folderHandle(folder, act)
            : fileHandle(opened(folder, name, Number(flags)), name, act),
        );
      },
      rename: (from: unknown, to: unknown) =>
        act(`rename ${nameOf(from)}`, () => {
          if (folder.find(nameOf(from)) === undefined) throw systemError("ENOENT", "rename");
          if (folder.find(nameOf(to)) === "directory") throw systemError("EISDIR", "rename");
          folder.rename(nameOf(from), nameOf(to));
        }),
      rm: (path: unknown, options?: { readonly force?: boolean }) =>
        act(`rm ${nameOf(path)}`, () => {
          const found = folder.find(nameOf(path));
          if (found === "directory") throw systemError("EISDIR", "rm");
          if (found === undefined && options?.force !== true) throw systemError("ENOENT", "rm");
          if (found !== undefined) folder.unlink(nameOf(path));
        }),
      lstat: (path: unknown) =>
        act(`lstat ${nameOf(path)}`, () => {
          const found = folder.find(nameOf(path));
          if (found === undefined) throw systemError("ENOENT", "lstat");
          return statsOf(found);
        }),
    };
    return fs as unknown as StateFs; // the overloads of node:fs that the store does not use are missing
  }
}

type Act = <T>(name: string, work: (byteCount: number) => T, byteCount?: number) => Promise<T>;

function opened(folder: Folder, name: string, flags: number): SimFile {
  const found = folder.find(name);
  if (found === "directory") throw systemError("EISDIR", "open");
  if (found !== undefined) {
    if ((flags & constants.O_EXCL) !== 0) throw systemError("EEXIST", "open");
    return found;
  }
  if ((flags & constants.O_CREAT) === 0) throw systemError("ENOENT", "open");
  const file = new SimFile();
  folder.link(name, file);
  return file;
}

/** Writes go to the end, as with O_APPEND: the store writes no other way, or into a new file. */
function fileHandle(file: SimFile, name: string, act: Act): FileHandle {
  let readUpTo = 0;
  const write = (bytes: Buffer) =>
    act(
      `write ${name}`,
      (byteCount) => {
        file.write(Buffer.from(bytes.subarray(0, byteCount)));
        return { bytesWritten: Math.min(byteCount, bytes.length) };
      },
      bytes.length,
    );
  const handle = {
    read: (into: Buffer, offset: number, length: number, position: number | null) =>
      act(`read ${name}`, () => {
        const from = position ?? readUpTo;
        const bytesRead = file.content.copy(into, offset, from, Math.min(from + length, file.content.length));
        if (position === null) readUpTo += bytesRead;
        return { bytesRead, buffer: into };
      }),
    write,
    writeFile: (text: string) => write(Buffer.from(text)),
    stat: () => act(`stat ${name}`, () => statsOf(file)),
    truncate: (length: number) => act(`truncate ${name}`, () => file.truncate(length)),
    sync: () => act(`sync ${name}`, () => file.sync()),
    close: () => act(`close ${name}`, () => undefined),
  };
  return handle as unknown as FileHandle;
}

function folderHandle(folder: Folder, act: Act): FileHandle {
  const handle = {
    sync: () => act("sync .", () => folder.sync()),
    close: () => act("close .", () => undefined),
  };
  return handle as unknown as FileHandle;
}

function statsOf(found: SimFile | "directory"): Stats {
  const isFile = found !== "directory";
  const no = (): boolean => false;
  const stats = {
    size: isFile ? found.content.length : 0,
    isFile: () => isFile,
    isDirectory: () => !isFile,
    isFIFO: no,
    isSocket: no,
    isSymbolicLink: no,
  };
  return stats as unknown as Stats;
}

/** As node:fs makes them; for steps that fail a call too. */
export function systemError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: ${call}`), { code });
}
