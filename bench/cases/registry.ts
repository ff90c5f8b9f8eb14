/** Every case, in the order of the report. */
import { SIZED_PATHS, SMALL_BODY } from "../backends/sizes.ts";
import type { MetricName } from "../result.ts";
import type { Case, Load } from "./case.ts";

const REQUEST_COLUMNS = [
  "perSecond",
  "cpuUs",
  "cpuUserUs",
  "cpuSystemUs",
  "coreShare",
  "p50Ms",
  "p99Ms",
  "p999Ms",
  "peakMiB",
] as const satisfies readonly MetricName[];

const TRANSFER_COLUMNS = [
  "cpuS",
  "cpuUserS",
  "cpuSystemS",
  "seconds",
  "peakMiB",
] as const satisfies readonly MetricName[];

const AB_COLUMNS = [
  "perSecond",
  "cpuUs",
  "p50Ms",
  "p99Ms",
  "longestMs",
  "failed",
  "peakMiB",
] as const satisfies readonly MetricName[];

const IDLE_COLUMNS = [
  "connectionKiB",
  "residentBeforeMiB",
  "residentMiB",
  "cpuUs",
] as const satisfies readonly MetricName[];

type Row = Pick<Case, "name" | "about"> & Partial<Case> & { readonly load: Load };

function requests(row: Row): Case {
  return {
    unit: "request",
    headline: "cpuUs",
    columns: REQUEST_COLUMNS,
    workers: 1,
    isLong: false,
    backend: "files",
    answerBytes: SMALL_BODY.length,
    hasAccessLog: false,
    ...row,
  };
}

function transfer(direction: "download" | "upload", about: string): Case {
  const [path, backend] = direction === "download" ? (["/1GiB", "files"] as const) : (["/", "sink"] as const);
  return requests({
    name: `${direction}-1g`,
    about,
    unit: "GiB",
    headline: "cpuS",
    columns: TRANSFER_COLUMNS,
    isLong: true,
    backend,
    load: { kind: "transfer", direction, path, bytes: SIZED_PATHS["/1GiB"] },
  });
}

export const CASES: readonly Case[] = [
  requests({
    name: "small",
    about: "GET, 2-byte answer, 64 connections",
    load: { kind: "http", path: "/", connections: 64 },
  }),
  requests({
    name: "connections-1000",
    about: "GET, 2-byte answer, 1,000 connections",
    load: { kind: "http", path: "/", connections: 1_000 },
  }),
  requests({
    name: "answer-64k",
    about: "GET, 64 KiB answer, 64 connections",
    answerBytes: SIZED_PATHS["/64KiB"],
    load: { kind: "http", path: "/64KiB", connections: 64 },
  }),
  requests({
    name: "upload-16k",
    about: "POST of 16 KiB, 2-byte answer, 64 connections",
    backend: "sink",
    load: { kind: "http", path: "/", connections: 64, uploadBytes: 16 * 1024 },
  }),
  requests({
    name: "close",
    about: "GET, 2-byte answer, Connection: close, 64 at a time",
    load: { kind: "http", path: "/", connections: 64, isClosing: true },
  }),
  requests({
    name: "idle-10000",
    about: "10,000 connections that have had one answer each and are left alone",
    unit: "connection",
    headline: "connectionKiB",
    columns: IDLE_COLUMNS,
    load: { kind: "idle", connections: 10_000 },
  }),
  requests({
    name: "latency-1",
    about: "GET, 2-byte answer, one connection alone",
    headline: "p50Ms",
    isLong: true,
    load: { kind: "http", path: "/", connections: 1 },
  }),
  requests({
    name: "access-log",
    about: "GET, 2-byte answer, 64 connections, every request in an access log",
    isLong: true,
    hasAccessLog: true,
    load: { kind: "http", path: "/", connections: 64 },
  }),
  requests({
    name: "websocket",
    about: "messages of 64 bytes there and back, one at a time on each of 64 connections",
    unit: "message",
    isLong: true,
    backend: "echo",
    load: { kind: "websocket", connections: 64, messageBytes: 64 },
  }),
  transfer("download", "one answer of 1 GiB"),
  transfer("upload", "one POST of 1 GiB"),
  requests({
    name: "ab-12000",
    about: "ab -k -c 12000, 2-byte answer, two workers, all on the same cores",
    headline: "perSecond",
    columns: AB_COLUMNS,
    workers: 2,
    isLong: true,
    load: { kind: "ab", connections: 12_000 },
  }),
];
