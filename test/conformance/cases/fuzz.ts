/** Cases of the promise "fuzz": inputs that a fuzzer found, kept as regression cases. */
import type { Case } from "../case.ts";

export const fuzz: readonly Case[] = [];
