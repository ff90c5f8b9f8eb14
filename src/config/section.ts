/**
 * Section: maps of known keys, and the kinds of value that every part of the schema takes. Pure.
 *
 * Knows none of our keys: `schema.ts` and `pool-schema.ts` name them.
 */
import { z } from "zod";
import { duration, optionalText } from "./values.ts";

export const MAP = "a map (keys with values)";

/** A map of known keys; nothing at all (`server:`) is the same as leaving it out. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.preprocess((input) => input ?? {}, z.strictObject(shape, { error: MAP }));
}

/** A section that is on when it is written, with nothing in it too (`outlier:`), and null when it is not. */
export function sectionOrNull<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const map = z.strictObject(shape, { error: `${MAP}, or no such section at all to have it off` });
  return z.preprocess((input) => (input === undefined ? null : (input ?? {})), map.nullable());
}

/** The paths of all keys that take a value, in order; a list or a map with free names is one value. */
export function leavesOf(schema: unknown, path = ""): string[] {
  if (schema instanceof z.ZodPipe) return leavesOf(schema.def.out, path); // a section
  if (schema instanceof z.ZodNullable) return leavesOf(schema.unwrap(), path); // one that can be off
  if (!(schema instanceof z.ZodObject)) return [path];
  return Object.entries(schema.shape).flatMap(([key, value]) =>
    leavesOf(value, path === "" ? key : `${path}.${key}`),
  );
}

/** Ends at 24 h, far below the 2^31 - 1 ms at which setTimeout overflows and fires at once. */
export const time = (min = "1ms") => duration(min, "24h");

export const file = () => optionalText("a file path, or null", isPath).prefault(null);

export function isPath(input: string): boolean {
  return input.trim() !== "" && !input.includes("\0") && input.length <= 4096;
}

export function isPlainObject(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}
