/**
 * Text file: reads a small file that a person wrote, or says in words why it cannot be.
 *
 * Runs at start only (synchronous). Never throws; judges no content beyond "is this text".
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

interface Refusal {
  readonly refusal: string;
  readonly cause?: unknown;
}

export type TextFile = { readonly text: string } | Refusal;

export function readTextFile(path: string, maxBytes: number): TextFile {
  const bytes = withFile(path, (fd) => readUpTo(fd, maxBytes + 1));
  if ("refusal" in bytes) return bytes;
  if (bytes.length > maxBytes) return { refusal: `is larger than ${maxBytes / 1024} KiB` };
  return decode(bytes);
}

/** @returns why the file could not be read, looking at no content; null when it can. */
export function fileRefusal(path: string): string | null {
  return withFile(path, (): { readonly refusal: string | null } => ({ refusal: null })).refusal;
}

function withFile<T>(path: string, use: (fd: number) => T): T | Refusal {
  try {
    // O_NONBLOCK: opening a named pipe that nobody writes to would wait for ever.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (stat.isDirectory()) return { refusal: "is a folder, not a file" };
      if (!stat.isFile()) return { refusal: "is not a regular file" };
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    return { refusal: reason(cause), cause };
  }
}

function readUpTo(fd: number, limit: number): Buffer {
  const buffer = Buffer.alloc(limit);
  let length = 0;
  while (length < limit) {
    const count = readSync(fd, buffer, length, limit - length, null);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

function decode(bytes: Buffer): TextFile {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // a byte order mark is left out
  } catch (cause) {
    return { refusal: "is not UTF-8 text", cause };
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what tells a binary file from a text
  if (/[\0-\x08\x0e-\x1f]/.test(text)) return { refusal: "is not a text file: it holds control characters" };
  return { text };
}

const REASONS: ReadonlyMap<unknown, string> = new Map([
  ["ENOENT", "does not exist"],
  ["ENOTDIR", "does not exist: a part of its path is not a folder"],
  ["EACCES", "may not be read by this user (EACCES)"],
  ["EPERM", "may not be read by this user (EPERM)"],
  ["ELOOP", "is a symbolic link that leads back to itself"],
  ["ENAMETOOLONG", "has a name that is too long"],
  ["ENXIO", "is not a regular file"],
]);

function reason(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return REASONS.get(code) ?? `cannot be read (${String(code ?? cause)})`;
}
