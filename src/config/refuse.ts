/** Refuse: how a rule between keys says what is wrong. Pure. */
import type { z } from "zod";

/** @param path of the key, its parts joined by dots: `targets.0.weight`. @param message the whole text. */
export type Refuse = (path: string, message: string) => void;

/** Problems that stand beside those of single keys. */
export function refuserOf(context: z.core.$RefinementCtx): Refuse {
  return (path, message) =>
    context.addIssue({
      code: "custom",
      path: path.split(".").map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
      message,
      params: { isRule: true },
    });
}
