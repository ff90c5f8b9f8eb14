/** What proxies have got wrong, each as small as it can be. Pure. */
import type { Direction } from "../campaign.ts";

export const IDLE_LIMIT_MS = 400;

export interface Flaws {
  /** Bends a client's bytes into what it takes them for, before they are read. */
  repair?(text: string): string;
  /** What it cannot read it waits for. */
  readonly waitsForever?: boolean;
  readonly dropsTrailers?: boolean;
  /** What stands behind an answer stays, as the beginning of the next one. */
  readonly keepsLeftovers?: boolean;
  /** An answer that breaks off is passed on as if it had ended there. */
  readonly endsBrokenAnswers?: boolean;
}

const HEAD = /^[\s\S]*?\n\r?\n/;
const BOTH_FRAMINGS = /^((?:.+\r\n)*?)transfer-encoding: *chunked\r\n((?:.+\r\n)*\r\n)/i;
const SPACE_BEFORE_COLON = /^([!-9;-~]+)[ \t]+:/gm;

export const KNOWN_FLAWS: Readonly<Record<string, { readonly direction: Direction; readonly flaws: Flaws }>> =
  {
    "takes a bare LF for a line end": {
      direction: "requests",
      flaws: { repair: (text) => text.replace(HEAD, (head) => head.replace(/\r?\n/g, "\r\n")) },
    },
    "prefers Content-Length over Transfer-Encoding": {
      direction: "requests",
      flaws: {
        repair: (text) =>
          text.replace(HEAD, (head) =>
            /content-length:/i.test(head) ? head.replace(BOTH_FRAMINGS, "$1$2") : head,
          ),
      },
    },
    "takes a field with a space before its colon": {
      direction: "requests",
      flaws: { repair: (text) => text.replace(HEAD, (head) => head.replace(SPACE_BEFORE_COLON, "$1:")) },
    },
    "waits for ever for what it cannot read": { direction: "requests", flaws: { waitsForever: true } },
    "drops trailers": { direction: "requests", flaws: { dropsTrailers: true } },
    "answers with what was left on a backend's connection": {
      direction: "answers",
      flaws: { keepsLeftovers: true },
    },
    "passes a broken answer on as a whole one": { direction: "answers", flaws: { endsBrokenAnswers: true } },
  };
