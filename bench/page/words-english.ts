/** The page in English; see words.ts. */
import type { Words } from "./words.ts";

export const ENGLISH: Words = {
  suffix: "",
  units: { request: "request", message: "message", GiB: "GiB", connection: "connection" },
  metrics: {
    perSecond: "rate",
    cpuUs: "CPU",
    cpuUserUs: "user",
    cpuSystemUs: "system",
    cpuS: "CPU",
    cpuUserS: "user",
    cpuSystemS: "system",
    coreShare: "cores used",
    seconds: "time",
    p50Ms: "p50",
    p99Ms: "p99",
    p999Ms: "p99.9",
    longestMs: "longest",
    failed: "failed",
    residentMiB: "memory after",
    peakMiB: "peak memory",
    residentBeforeMiB: "memory before",
    connectionKiB: "memory",
  },
  cases: {
    small: {
      title: "2-byte answer, 64 connections",
      about: "`GET`, answer of 2 bytes, 64 kept-alive connections.",
    },
    "connections-1000": {
      title: "1,000 connections",
      about: "The same over 1,000 kept-alive connections.",
    },
    "answer-64k": { title: "64 KiB answers", about: "`GET`, answer of 64 KiB, 64 kept-alive connections." },
    "upload-16k": {
      title: "16 KiB uploads",
      about: "`POST` of 16 KiB, answer of 2 bytes, 64 kept-alive connections.",
    },
    close: {
      title: "Connection: close",
      about: "`GET`, answer of 2 bytes, a new connection for every request, 64 at a time.",
    },
    "idle-10000": {
      title: "10,000 idle connections",
      about: "Connections that have had one answer each and are left alone.",
    },
    "latency-1": {
      title: "One connection alone",
      about:
        "`GET`, answer of 2 bytes, the next request after the answer: what a proxy adds to the time of one.",
    },
    "access-log": {
      title: "With the access log",
      about: "The first case with every request written to an access log.",
    },
    websocket: {
      title: "WebSocket messages",
      about: "Messages of 64 bytes there and back, one at a time on each of 64 connections.",
    },
    "download-1g": { title: "1 GiB down", about: "One answer of 1 GiB." },
    "upload-1g": { title: "1 GiB up", about: "One `POST` of 1 GiB." },
    "ab-12000": {
      title: "12,000 connections, two workers",
      about:
        "`ab -k -c 12000`, answer of 2 bytes; two workers share the cores with the load and the backend.",
    },
  },
  charts: {
    cpu: {
      title: "CPU time for each unit of work",
      description:
        "Horizontal bars, one panel for each case and one bar for each proxy, made of user and system time. At the bar's end: the figure and its ratio to nginx. The tables of the page hold the same figures.",
    },
    other: {
      title: "Rate, latency and memory",
      description:
        "Horizontal bars, one panel for each figure and one bar for each contender. At the bar's end: the figure and its ratio to nginx. The tables of the page hold the same figures.",
    },
    flame: {
      title: "Where the worker's CPU time goes",
      description:
        "A flame graph: a frame stands on the one that called it, and is as wide as its share of the samples.",
    },
    user: "user time (traffic-switching, others)",
    system: "system time",
    reference: "nginx",
    isLowerBetter: "less is better",
    isHigherBetter: "more is better",
  },
  places: {
    "system-write":
      "kernel: `write` (sending, and what the loopback interface does at once on the way to the other side)",
    "system-read": "kernel: `read`",
    "system-poll": "kernel: `epoll`",
    "system-connect": "kernel: opening, accepting and closing of connections",
    "system-turn": "kernel: the core is handed to another process and back",
    "system-other": "kernel: anything else, interrupts included",
    ours: "our own JavaScript",
    node: "JavaScript of Node.js (streams, `node:net`, timers)",
    builtin: "V8's built-in functions and stubs",
    collection: "garbage collection",
    compile: "compiling and interpreting",
    native: "C++ of Node.js, libuv and V8",
    library: "libc and other libraries",
    unknown: "not known",
  },
  yes: "yes",
  no: "**no**",
  notMeasured: "not measured",
  failed: "failed",
  against: (name) => `against ${name}`,
  said: (name, text) => `${name}: ${text}`,
  pair: (user, system) => `user ${user}, system ${system}`,
  list: (parts) => parts.join(", "),
  machine: ({ cpu, cores, memoryGiB, kernel, node }) =>
    `Machine: ${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}; Node.js ${node}.`,
  run: ({ file, date, commit, isModified, loadAverage, cases, options, isRough }) =>
    `${file}: ${date}, commit \`${commit}\`${isModified ? " with uncommitted changes" : ""}, load average ${loadAverage} before the run; ${options}. Cases: ${cases.join(", ")}.${isRough ? " **Few rounds, or a busy machine: take the figures as rough.**" : ""}`,
  heads: {
    contender: "Contender",
    version: "Version",
    setup: "Set-up",
    case: "Case",
    figure: "Figure",
    measured: "Measured",
    floor: "Floor",
    floorHeld: "Held",
    aim: "Aim",
    aimHeld: "Reached",
    rank: "Ours",
    better: "Better than ours, and by how much of ours",
    where: "Where",
    share: "Share of the worker's CPU time",
    systemCall: "System call",
    perRequest: "For each request",
  },
  nobody: "nobody",
  workers: (count) => (count === 1 ? "One worker each." : `${count} workers each.`),
  ofOthers: (rank, count) => `${rank} of ${count}`,
  profiled: ({ file, commit, samples, hertz, seconds, connections }) =>
    `Commit \`${commit}\`, ${samples} samples at ${hertz} Hz in ${seconds} s, one worker, ${connections} connections, answers of 2 bytes: ${file}.`,
  traced: ({ requests, callsPerRequest }) =>
    `System calls in ${requests} requests under \`strace\`, which slows the worker down, so that more is ready at each \`epoll_wait\` than without it: ${callsPerRequest} for each request.`,
};
