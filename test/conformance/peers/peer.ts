/** What the peers share: finding out whether one is installed, and starting it as a real process. */
import type { TestEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { isInstalled, runProgram, startProgram } from "../../support/program.ts";
import { openRaw } from "../../support/raw-client.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitUntil } from "../../support/wait.ts";
import type { Need, ProfileName } from "../profiles.ts";
import type { RunningTarget, Target } from "../targets/target.ts";

const VERSION_LIMIT_MS = 10_000;
const START_LIMIT_MS = 15_000;

/** Where one instance of a peer runs. */
export interface Place {
  readonly profile: ProfileName;
  readonly port: number;
  readonly backendPort: number;
  /** An empty folder of its own. */
  readonly dir: string;
}

export interface Peer {
  readonly name: string;
  readonly program: string;
  /** Print the version on stdout or stderr. */
  readonly versionArgs: readonly string[];
  readonly versionPattern: RegExp;
  readonly has: readonly Need[];
  /** Writes what it needs into the place, and says what to run. */
  prepare(place: Place, t: TestEnd): Promise<Command>;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function peerTarget(peer: Peer): Target {
  return {
    name: peer.name,
    has: new Set(peer.has),
    profiles: new Set<ProfileName>(["default", "limits", "trusting"]),
    version: async () => {
      if (!isInstalled(peer.program)) return undefined;
      const output = await runProgram(peer.program, peer.versionArgs, { limitMs: VERSION_LIMIT_MS });
      return peer.versionPattern.exec(output)?.[1] ?? output.trim();
    },
    start: (t, profile, backendPort) => startPeer(peer, t, profile, backendPort),
  };
}

async function startPeer(
  peer: Peer,
  t: TestEnd,
  profile: ProfileName,
  backendPort: number,
): Promise<RunningTarget> {
  const dir = await tempDir(t, peer.name);
  const place = { profile, port: await freePort(), backendPort, dir };
  const { command, args, env } = await peer.prepare(place, t);
  const output = startProgram(t, command, args, env);
  const isListening = async (): Promise<boolean> => {
    const client = await openRaw(place.port);
    client.destroy();
    return true;
  };
  await waitUntil(`${peer.name} listens`, isListening, { limitMs: START_LIMIT_MS, details: output });
  return { host: "127.0.0.1", port: place.port };
}
