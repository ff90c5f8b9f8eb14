/** Cases of the promise "leaving": a client or a backend that leaves or breaks off, at every stage; retries. */
import type { Case } from "../case.ts";
import { backendsThatLeave } from "./leaving/backends.ts";
import { clientsThatLeave } from "./leaving/clients.ts";
import { retries } from "./leaving/retries.ts";

export const leaving: readonly Case[] = [...clientsThatLeave, ...backendsThatLeave, ...retries];
