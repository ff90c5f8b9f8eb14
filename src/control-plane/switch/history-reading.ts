/**
 * Reading `.history.jsonl`: every line is checked, the last ones are kept, the rest of memory stays small.
 *
 * Runs in the primary, once at start, and in the `history` commands. Changes nothing on disk; history-file.ts repairs.
 */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { ChangesReplay } from "./changes-recovery.ts";
import { brokenLink, isOfBackends, parseEntry } from "./history-entry.ts";
import { RecentEntries } from "./recent-entries.ts";
import { errorText, kindOf, SAFE_OPEN, type StateFs } from "./state-fs.ts";
import type { HistoryEntry } from "./state-store.ts";

export const HISTORY_FILE = ".history.jsonl";
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** What a reading of the file found. */
export interface HistoryReading {
  readonly entries: RecentEntries;
  /** What all entries of backends make together. */
  readonly replay: ChangesReplay;
  highestEpoch: number;
  /** A sentence without its full stop; null when every line fits. */
  damage: string | null;
  /** The bytes after this length are half a line. */
  cutAt: number | null;
  /** The last line is a whole entry that lacks its newline. */
  lacksNewline: boolean;
  /** No file that can be read: it is moved aside before the next write. */
  isInTheWay: boolean;
}

/** Never rejects: what cannot be read is damage. */
export async function readHistory(path: string, fs: StateFs): Promise<HistoryReading> {
  const found: HistoryReading = {
    entries: new RecentEntries(),
    replay: new ChangesReplay(),
    highestEpoch: 0,
    damage: null,
    cutAt: null,
    lacksNewline: false,
    isInTheWay: false,
  };
  try {
    const kind = await kindOf(fs, path);
    if (kind === "missing") return found;
    if (kind !== "file") return inTheWay(found, `is a ${kind}, not a file`);
    const handle = await fs.open(path, constants.O_RDONLY | SAFE_OPEN);
    try {
      await readLines(handle, found);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return inTheWay(found, `cannot be read (${errorText(error)})`);
  }
  return found;
}

function inTheWay(found: HistoryReading, reason: string): HistoryReading {
  found.isInTheWay = true;
  found.damage = `${HISTORY_FILE} ${reason}`;
  return found;
}

async function readLines(handle: FileHandle, found: HistoryReading): Promise<void> {
  for await (const line of entriesOf(handle)) {
    const { entry, number } = line;
    const previous = found.entries.last;
    const problem = entry === null ? "it is not an entry" : brokenLink(entry, previous);
    if (!line.isEnded && problem !== null) {
      found.cutAt = line.start;
      return;
    }
    if (problem !== null) found.damage ??= `line ${number} of ${HISTORY_FILE} is damaged: ${problem}`;
    if (entry === null) continue;
    found.lacksNewline = !line.isEnded;
    found.highestEpoch = Math.max(found.highestEpoch, entry.epoch);
    found.entries.add(entry);
    if (isOfBackends(entry)) found.replay.add(entry);
  }
}

export interface EntryLine {
  /** From 1. */
  readonly number: number;
  /** Where it begins in the file, in bytes. */
  readonly start: number;
  /** Whether it has its newline. */
  readonly isEnded: boolean;
  /** null: the line is none. */
  readonly entry: HistoryEntry | null;
}

/** Every line of the file, one in memory at a time. Says nothing of its place in the chain. */
export async function* entriesOf(handle: FileHandle): AsyncGenerator<EntryLine> {
  let number = 0;
  for await (const { text, start, isEnded } of linesOf(handle)) {
    number += 1;
    yield { number, start, isEnded, entry: text === null ? null : parseEntry(text) };
  }
}

interface Line {
  /** null: longer than any line of ours. */
  readonly text: string | null;
  /** Where it begins in the file, in bytes. */
  readonly start: number;
  readonly isEnded: boolean;
}

/** The lines of a file, one in memory at a time. */
async function* linesOf(handle: FileHandle): AsyncGenerator<Line> {
  const chunk = Buffer.alloc(64 * 1024);
  let pieces: Buffer[] = [];
  let length = 0;
  let start = 0;
  const text = (): string | null => (length > MAX_LINE_BYTES ? null : Buffer.concat(pieces).toString("utf8"));
  const keep = (piece: Buffer): void => {
    length += piece.length;
    if (length > MAX_LINE_BYTES) pieces = [];
    else pieces.push(Buffer.from(piece)); // a copy: the chunk is read into again
  };
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) break;
    let from = 0;
    for (;;) {
      const newline = chunk.subarray(0, bytesRead).indexOf(0x0a, from);
      if (newline === -1) break;
      keep(chunk.subarray(from, newline));
      yield { text: text(), start, isEnded: true };
      start += length + 1;
      pieces = [];
      length = 0;
      from = newline + 1;
    }
    keep(chunk.subarray(from, bytesRead));
  }
  if (length > 0) yield { text: text(), start, isEnded: false };
}
