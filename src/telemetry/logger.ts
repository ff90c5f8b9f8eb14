/**
 * Logger: pino as every process of the daemon uses it: JSON lines on stdout, one sentence plus snake_case fields.
 *
 * Lines are written off the event loop, so a reader that stalls (a full pipe) cannot stall the traffic; past
 * `BUFFER_LIMIT_BYTES` lines are dropped. What is still held when the process ends is written then.
 */
import { type DestinationStream, type Logger, pino } from "pino";
import type { Config } from "../config/schema.ts";

export type { Logger } from "pino";

/** PIPE_BUF of Linux: one write of at most this much is never mixed with another process's. */
const WRITE_LIMIT_BYTES = 4_096;
const BUFFER_LIMIT_BYTES = 4 * 1_024 * 1_024;

const SECRETS = [
  "authorization",
  "cookie",
  '["set-cookie"]',
  '["proxy-authorization"]',
  "token",
  "admin_token",
];

export interface LoggerOptions {
  readonly level: Config["log"]["level"];
  readonly role: "primary" | "worker";
  /** The worker's slot, 1 to N. */
  readonly worker?: number;
}

/** @param destination where lines go; stdout unless a test says otherwise. */
export function createLogger(options: LoggerOptions, destination: DestinationStream = stdout()): Logger {
  const { level, role, worker } = options;
  return pino(
    {
      level,
      base: { pid: process.pid, role, ...(worker === undefined ? {} : { worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap(atEachDepth), censor: "[redacted]" },
    },
    destination,
  );
}

/** pino's wildcards cover one level each: `token`, `admin.token`, `config.admin.token`. */
function atEachDepth(secret: string): string[] {
  const joint = secret.startsWith("[") ? "" : ".";
  return [secret, `*${joint}${secret}`, `*.*${joint}${secret}`];
}

/** pino itself writes what is left when the process exits or crashes. */
function stdout(): DestinationStream {
  return pino.destination({
    dest: 1,
    sync: false,
    maxWrite: WRITE_LIMIT_BYTES,
    maxLength: BUFFER_LIMIT_BYTES,
  });
}
