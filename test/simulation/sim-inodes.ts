/**
 * What sim-disk.ts is made of: files and the folder's names, each with what is durable and what is not yet.
 *
 * Pure: chance is handed in. Every change is kept as a step since the last sync, so that a power loss can take any.
 */
import type { Random } from "./sim-disk.ts";

type Change = { readonly write: Buffer } | { readonly truncateTo: number };

export class SimFile {
  content: Buffer = Buffer.alloc(0);
  #durable: Buffer = Buffer.alloc(0);
  #changes: Change[] = [];

  static durable(text: string): SimFile {
    const file = new SimFile();
    file.write(Buffer.from(text));
    file.sync();
    return file;
  }

  /** To the end. */
  write(bytes: Buffer): void {
    this.#change({ write: bytes });
  }

  truncate(length: number): void {
    this.#change({ truncateTo: length });
  }

  sync(): void {
    this.#durable = this.content;
    this.#changes = [];
  }

  /** Each change since the sync is kept or lost; a write may also be torn, or have left NULs of its length. */
  losePower(random: Random): void {
    this.content = this.#changes.reduce((content, change) => {
      if (random() < 0.4) return content;
      if ("truncateTo" in change) return changed(content, change);
      const kept = change.write.subarray(
        0,
        random() < 0.5 ? undefined : random() * (change.write.length + 1),
      );
      return changed(content, { write: random() < 0.2 ? Buffer.alloc(kept.length) : kept });
    }, this.#durable);
    this.sync();
  }

  #change(change: Change): void {
    this.content = changed(this.content, change);
    this.#changes.push(change);
  }
}

function changed(content: Buffer, change: Change): Buffer {
  return "write" in change
    ? Buffer.concat([content, change.write])
    : Buffer.from(content.subarray(0, change.truncateTo));
}

type Inode = SimFile | "directory";
type Names = Map<string, Inode>;

export class Folder {
  #names: Names = new Map();
  #durable: Names = new Map();
  #changes: ((names: Names) => void)[] = [];

  find(name: string): Inode | undefined {
    return this.#names.get(name);
  }

  names(): string[] {
    return [...this.#names.keys()];
  }

  link(name: string, inode: Inode): void {
    this.#change((names) => void names.set(name, inode));
  }

  unlink(name: string): void {
    this.#change((names) => void names.delete(name));
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) return;
    this.#change((names) => {
      if (names.get(from) === inode) names.delete(from);
      names.set(to, inode);
    });
  }

  sync(): void {
    this.#durable = new Map(this.#names);
    this.#changes = [];
  }

  /** Each change since the sync is kept or lost, and so is what the files hold. */
  losePower(random: Random): void {
    const names = new Map(this.#durable);
    for (const change of this.#changes) if (random() < 0.5) change(names);
    this.#names = names;
    this.sync();
    for (const inode of new Set(names.values())) if (inode !== "directory") inode.losePower(random);
  }

  #change(change: (names: Names) => void): void {
    change(this.#names);
    this.#changes.push(change);
  }
}
