/** Cases of the promise "load": many connections, many requests, churn. */
import type { Case } from "../case.ts";

export const load: readonly Case[] = [];
