/** From what perf and strace write to a folded tree, places and counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { flameGraph } from "../../../bench/profile/flame.ts";
import { parseFrame } from "../../../bench/profile/frames.ts";
import { countPlaces } from "../../../bench/profile/places.ts";
import { foldStacks, type Stack } from "../../../bench/profile/stacks.ts";
import { parseSystemCalls } from "../../../bench/profile/system-calls.ts";
import { fromLines, growTree, toLines } from "../../../bench/profile/tree.ts";

const ROOT = "/srv/proxy";
const NODE = "(/opt/node/bin/node)";
const MAP = "(/tmp/perf-7.map)";
const KERNEL = "([kernel.kallsyms])";
const HEAD = "MainThread     7 25007.966151:     500250 cpu-clock:ppp: ";
const BELOW = `	          160cbb7 uv_run+0x137 ${NODE}
	          4d1215 node::Start(int, char**)+0x365 ${NODE}
	           2724a __libc_start_call_main+0x7a (/usr/lib/libc.so.6)`;
const OURS = `	    7f01 JS:*'onData file:///srv/proxy/dist/src/wire/reader.js:366:16+0x3c ${MAP}`;
const WRITE = `	ffffffff81 tcp_sendmsg+0x1 ${KERNEL}
	ffffffff82 ksys_write+0x6d ${KERNEL}`;
const COLLECTED = `V8 Worker  9 25007.966152:     500250 cpu-clock:ppp:
	  a7 v8::internal::ScavengerCollector::CollectGarbage()+0x5 ${NODE}`;
const SCRIPT = [
  `${HEAD}\n${WRITE}\n${OURS}\n${BELOW}`,
  `${HEAD}\n${OURS}\n${BELOW}`,
  COLLECTED,
  `${HEAD}\n${WRITE}\n${OURS}\n${BELOW}\n`,
].join("\n\n");

const folded = (script = SCRIPT): Stack[] => foldStacks(script, ROOT);

/** The line of a frame, and what it is read as. */
const FRAMES: readonly (readonly [line: string, readAs: string])[] = [
  [OURS, "ours onData src/wire/reader.js:366"],
  [`	 7f JS:~ file:///srv/proxy/src/a.ts:1:2+0x1 ${MAP}`, "ours (anonymous) src/a.ts:1"],
  [`	 7f JS:*Socket._write node:net:1273:35+0x1 ${MAP}`, "node Socket._write node:net:1273"],
  [`	 7f JS:*f file:///home/someone/x/b.js:3:1+0x1 ${MAP}`, "ours f b.js:3"],
  [`	 7f Builtins_LoadIC+0x26 ${NODE}`, "builtin LoadIC"],
  [
    `	 7f v8::(anonymous namespace)::Set<a<b>, (c)1>::operator()(int)+0x1 ${NODE}`,
    "native v8::anonymous::Set::call",
  ],
  [`	 ff finish_task_switch.isra.0+0x9 ${KERNEL}`, "kernel finish_task_switch.isra.0"],
  ["	 ff nft_do_chain+0x9 ([nf_tables])", "kernel nft_do_chain"],
  ["	 7f __vdso_clock_gettime+0x1 ([vdso])", "library __vdso_clock_gettime"],
  ["	 7f [unknown] (/usr/lib/libc.so.6)", "unknown libc.so.6"],
];

test("a frame is named without offsets, arguments and the machine's paths, and known by its kind", () => {
  for (const [line, readAs] of FRAMES) {
    const { kind, name } = parseFrame(line, ROOT) ?? {};
    assert.equal(`${kind} ${name}`, readAs);
  }
  assert.equal(parseFrame(HEAD, ROOT), undefined);
});

test("equal stacks are counted together, from the loop on, whatever their order in the record", () => {
  assert.deepEqual(
    folded().map(({ frames, samples }) => `${samples} ${frames.map(({ name }) => name).join(" > ")}`),
    [
      "1 MainThread > uv_run > onData src/wire/reader.js:366",
      "2 MainThread > uv_run > onData src/wire/reader.js:366 > ksys_write > tcp_sendmsg",
      "1 V8 Worker > v8::internal::ScavengerCollector::CollectGarbage",
    ],
  );
  assert.deepEqual(countPlaces(folded()), { "system-write": 2, ours: 1, collection: 1 });
});

test("a core given to another process is not taken for the system call on whose way back it was", () => {
  const frames = ["finish_task_switch.isra.0", "exit_to_user_mode_loop", "ksys_write"];
  const lines = frames.map((name) => `	ff ${name}+0x9 ${KERNEL}`);
  const script = `${HEAD}\n${lines.join("\n")}\n${BELOW}`;
  assert.deepEqual(countPlaces(folded(script)), { "system-turn": 1 });
});

test("a tree has every sample once, leaves out what is rare, and comes back from its lines", () => {
  const tree = growTree(folded(), 0);
  assert.deepEqual(toLines(tree), [
    "0 3 native MainThread",
    "1 3 native uv_run",
    "2 3 ours onData src/wire/reader.js:366",
    "3 2 kernel ksys_write",
    "4 2 kernel tcp_sendmsg",
    "0 1 native V8 Worker",
    "1 1 native v8::internal::ScavengerCollector::CollectGarbage",
  ]);
  assert.deepEqual(fromLines(toLines(tree)), tree);
  assert.equal(toLines(growTree(folded(), 0.5)).length, 5);
  for (const line of ["1 1 native x", "0 1 strange x", "nothing"]) {
    assert.throws(() => fromLines([line]), /no line/);
  }
});

test("in the flame graph a frame is as wide as its share, and an empty one is still a picture", () => {
  const words = { title: "t", description: "d" };
  const svg = flameGraph(growTree(folded(), 0), words);
  const width = (name: string): number =>
    Number(new RegExp(`<title>${name}: [^<]*</title><rect [^>]*width="([\\d.]+)"`).exec(svg)?.[1]);
  assert.ok(Math.abs(width("MainThread") / width("V8 Worker") - 3) < 0.01);
  assert.match(svg, /<title>tcp_sendmsg: 50%<\/title>/);
  assert.doesNotMatch(flameGraph([], words), /NaN|Infinity/);
});

test("system calls are counted without the total, with and without errors, the most frequent first", () => {
  const text = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           1       100           epoll_wait
 40.00    0.000200           1       200        12 read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500           1       300        12 total
`;
  assert.deepEqual(parseSystemCalls(text), [
    { name: "read", calls: 200 },
    { name: "epoll_wait", calls: 100 },
  ]);
});
