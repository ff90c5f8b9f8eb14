/** Cases of the promise "upgrades": WebSocket and any other Upgrade, CONNECT. */
import type { Case } from "../case.ts";
import { handshakes } from "./upgrades/handshakes.ts";
import { refusals } from "./upgrades/refusals.ts";
import { tunnels } from "./upgrades/tunnels.ts";

export const upgrades: readonly Case[] = [...handshakes, ...refusals, ...tunnels];
