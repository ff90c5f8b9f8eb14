/**
 * Resolver: when names are looked up, what stays when that fails, and how much of it there is at once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextRound } from "node:timers/promises";
import type { NameAnswer, NameSource } from "../../../../src/control-plane/pools/name-source.ts";
import {
  LOOK_UP_LIMIT_MS,
  MAX_ADDRESSES,
  MAX_AT_ONCE,
  Resolver,
} from "../../../../src/control-plane/pools/resolver.ts";
import { ManualTimers } from "../../../support/manual-timers.ts";

const EVERY_MS = 10_000;
const NAME = "a.test";

/** Answers when it is told to. */
class Source implements NameSource {
  readonly asked: string[] = [];
  readonly #open: { name: string; answer: PromiseWithResolvers<NameAnswer> }[] = [];
  isClosed = false;

  lookUp(name: string): Promise<NameAnswer> {
    const answer = Promise.withResolvers<NameAnswer>();
    this.asked.push(name);
    this.#open.push({ name, answer });
    return answer.promise;
  }

  close(): void {
    this.isClosed = true;
  }

  get running(): number {
    return this.#open.length;
  }

  /** The oldest look-up that runs ends. */
  async answer(addresses: readonly string[], ttlMs: number | null = null): Promise<void> {
    this.#open.shift()?.answer.resolve({ addresses, ttlMs });
    await nextRound();
  }

  async fail(code: string): Promise<void> {
    this.#open.shift()?.answer.reject(Object.assign(new Error(code), { code }));
    await nextRound();
  }
}

function scene({ random = (): number => 0.5, names = new Map([[NAME, EVERY_MS]]) } = {}) {
  const source = new Source();
  const timers = new ManualTimers();
  const logged: string[] = [];
  const changes: string[] = [];
  const log = (fields: object, sentence: string): void =>
    void logged.push(`${sentence} ${JSON.stringify(fields)}`);
  const resolver: Resolver = new Resolver({
    source,
    after: (ms, run) => timers.after(ms, run),
    random,
    log: { info: log, warn: log },
    onChange: (name) => void changes.push(`${name} ${resolver.addressesOf(name).join(" ")}`),
  });
  resolver.watch(names);
  /** How long it takes until the next look-up begins. */
  const pauseMs = (): number => {
    const before = source.asked.length;
    for (let ms = 0; ms < 100_000; ms += 50) {
      if (source.asked.length > before) return ms;
      timers.pass(50);
    }
    return Number.POSITIVE_INFINITY;
  };
  return { source, timers, logged, changes, resolver, pauseMs };
}

test("a name is looked up at once, and then as often as its target says", async () => {
  const { source, resolver, pauseMs, changes } = scene();
  assert.deepEqual([source.asked, resolver.addressesOf(NAME)], [[NAME], []]);
  await source.answer(["10.0.0.7"]);
  assert.deepEqual(resolver.addressesOf(NAME), ["10.0.0.7"]);
  for (let i = 0; i < 3; i++) {
    assert.equal(pauseMs(), EVERY_MS);
    await source.answer(["10.0.0.7"]);
  }
  assert.deepEqual(changes, ["a.test 10.0.0.7"]);
});

test("the smallest TTL says when, from 1 s up to as often as the target says", async () => {
  const { source, pauseMs } = scene();
  for (const [ttlMs, expectedMs] of [
    [0, 1_000],
    [400, 1_000],
    [3_000, 3_000],
    [3_600_000, EVERY_MS],
  ] as const) {
    await source.answer(["10.0.0.7"], ttlMs);
    assert.equal(pauseMs(), expectedMs, `TTL ${ttlMs} ms`);
  }
});

test("pauses differ by chance, by 10 % to either side", async () => {
  for (const [random, expectedMs] of [
    [0, 9_000],
    [0.75, 10_500],
    [0.999, 11_000],
  ] as const) {
    const { source, pauseMs } = scene({ random: () => random });
    await source.answer(["10.0.0.7"]);
    assert.equal(pauseMs(), expectedMs);
  }
});

test("answers are each once and in one order, so that a server that turns them around changes nothing", async () => {
  const { source, resolver, pauseMs, changes } = scene();
  await source.answer(["10.0.0.9", "10.0.0.7", "fd00::1", "10.0.0.7"]);
  const first = resolver.addressesOf(NAME);
  assert.deepEqual(first, ["10.0.0.7", "10.0.0.9", "fd00::1"]);
  pauseMs();
  await source.answer(["10.0.0.7", "fd00::1", "10.0.0.9"]);
  assert.equal(resolver.addressesOf(NAME), first);
  assert.equal(changes.length, 1);
  pauseMs();
  await source.answer(["fd00::1", "10.0.0.9", "fe80::1%eth0", "no address"]);
  assert.deepEqual(
    resolver.addressesOf(NAME),
    ["fd00::1", "10.0.0.9"],
    "the family that is first stays first",
  );
});

test("a change is told, with what came and what left", async () => {
  const { source, pauseMs, changes, logged } = scene();
  await source.answer(["10.0.0.7", "10.0.0.8"]);
  pauseMs();
  await source.answer(["10.0.0.8", "10.0.0.9", "10.0.0.10"]);
  assert.deepEqual(changes, ["a.test 10.0.0.7 10.0.0.8", "a.test 10.0.0.10 10.0.0.8 10.0.0.9"]);
  assert.match(logged[1] ?? "", /have changed \{"name":"a.test","addresses":3,"came":2,"left":1\}/);
});

test("a look-up that fails keeps the last answer, and says so once until it is over", async () => {
  const { source, resolver, pauseMs, logged, changes } = scene();
  await source.answer(["10.0.0.7"]);
  logged.length = 0;
  pauseMs();
  for (const code of ["ESERVFAIL", "ENOTFOUND", "ESERVFAIL"]) {
    await source.fail(code);
    assert.deepEqual(resolver.addressesOf(NAME), ["10.0.0.7"]);
    pauseMs();
  }
  await source.answer([]); // an answer without an address is none
  assert.deepEqual(resolver.addressesOf(NAME), ["10.0.0.7"]);
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? "", /stays in use \{"name":"a.test","code":"ESERVFAIL","addresses":1\}/);
  pauseMs();
  await source.answer(["10.0.0.7"]);
  assert.match(logged[1] ?? "", /^a name can be looked up again \{"name":"a.test"\}/);
  assert.equal(changes.length, 1);
  pauseMs();
  await source.fail("ESERVFAIL");
  assert.equal(logged.length, 3, "a new failure is told anew");
});

test("of a name that was never found it is not said that something stays", async () => {
  const { source, logged } = scene();
  await source.fail("ENOTFOUND");
  assert.match(
    logged[0] ?? "",
    /^a name cannot be looked up: it was never found \{"name":"a.test","code":"ENOTFOUND"\}/,
  );
});

test("it tries again after 1, 2, 4 and 8 s, then as often as the target says, and from 1 s after a good one", async () => {
  const { source, pauseMs } = scene();
  const pauses = [];
  for (let i = 0; i < 6; i++) {
    await source.fail("ENOTFOUND");
    pauses.push(pauseMs());
  }
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, EVERY_MS, EVERY_MS]);
  await source.answer(["10.0.0.7"]);
  pauseMs();
  await source.fail("ENOTFOUND");
  assert.equal(pauseMs(), 1_000);
});

test("a target that wants it more often than every second is tried again as often", async () => {
  const { source, pauseMs } = scene({ names: new Map([[NAME, 200]]) });
  await source.fail("ENOTFOUND");
  assert.equal(pauseMs(), 200);
});

test("a look-up that hangs counts as failed after its time limit, and none is begun beside it", async () => {
  const { source, timers, logged, resolver, pauseMs } = scene();
  timers.pass(LOOK_UP_LIMIT_MS - 1);
  assert.equal(logged.length, 0);
  timers.pass(1);
  assert.match(logged[0] ?? "", /"code":"ETIMEOUT"/);
  for (let i = 0; i < 10; i++) timers.pass(EVERY_MS);
  assert.deepEqual([source.asked.length, logged.length], [1, 1]);
  await source.fail("EAI_AGAIN"); // at last
  assert.equal(logged.length, 1);
  assert.ok(pauseMs() <= EVERY_MS, "and then it goes on");
  timers.pass(LOOK_UP_LIMIT_MS);
  await source.answer(["10.0.0.7"]);
  assert.deepEqual(resolver.addressesOf(NAME), ["10.0.0.7"], "a late answer is an answer");
  assert.equal(pauseMs(), EVERY_MS);
});

test("no more than 8 look-ups run at once, hanging ones included; the others follow in turn", async () => {
  const names = new Map(Array.from({ length: 20 }, (_, i) => [`${i}.test`, EVERY_MS]));
  const { source, timers } = scene({ names });
  assert.equal(source.running, MAX_AT_ONCE);
  timers.pass(LOOK_UP_LIMIT_MS);
  assert.equal(source.running, MAX_AT_ONCE);
  for (let i = 0; i < 20; i++) {
    await source.answer(["10.0.0.7"]);
    assert.ok(source.running <= MAX_AT_ONCE);
  }
  assert.deepEqual(source.asked, [...names.keys()]);
});

test("of a name with more than 256 addresses the first are used, and that is said once", async () => {
  const { source, resolver, pauseMs, logged } = scene();
  const many = Array.from({ length: 300 }, (_, i) => `10.0.${100 + Math.floor(i / 100)}.${100 + (i % 100)}`);
  await source.answer(many);
  assert.deepEqual(resolver.addressesOf(NAME), many.slice(0, MAX_ADDRESSES));
  pauseMs();
  await source.answer(many.toReversed());
  const isCut = (line: string): boolean => line.startsWith("a name has more addresses");
  assert.deepEqual(logged.filter(isCut), [
    'a name has more addresses than are used {"name":"a.test","addresses":300,"used":256}',
  ]);
});

test("a name that nobody wants any more is not looked up, and one that stays keeps its addresses", async () => {
  const names = new Map([
    [NAME, EVERY_MS],
    ["b.test", EVERY_MS],
  ]);
  const { source, resolver, timers, changes } = scene({ names });
  await source.answer(["10.0.0.7"]);
  resolver.watch(new Map([[NAME, 20_000]]));
  await source.answer(["10.0.0.8"]); // of b.test, too late
  assert.deepEqual(resolver.addressesOf("b.test"), []);
  timers.pass(EVERY_MS);
  assert.deepEqual(source.asked, [NAME, "b.test", NAME]);
  assert.deepEqual(resolver.addressesOf(NAME), ["10.0.0.7"]);
  assert.deepEqual(changes, ["a.test 10.0.0.7"]);
  await source.answer(["10.0.0.7"]);
  timers.pass(19_999);
  assert.equal(source.asked.length, 3);
});

test("the first look-ups can be waited for, good or bad, within a limit", async () => {
  const names = new Map([
    [NAME, EVERY_MS],
    ["b.test", EVERY_MS],
  ]);
  const { source, resolver, timers } = scene({ names });
  let isOver = false;
  const both = resolver.whenTried(names.keys(), 3_000).then(() => {
    isOver = true;
  });
  await source.answer(["10.0.0.7"]);
  assert.equal(isOver, false);
  await source.fail("ENOTFOUND");
  await both;
  resolver.watch(new Map([["c.test", EVERY_MS]]));
  const late = resolver.whenTried(["c.test", "unknown.test"], 3_000);
  timers.pass(3_000);
  await late;
  assert.equal(resolver.addressesOf("c.test").length, 0);
});

test("after the end no timer is left, nothing is looked up and nothing told; the addresses stay", async () => {
  const { source, resolver, timers, changes } = scene({
    names: new Map([
      [NAME, EVERY_MS],
      ["b.test", EVERY_MS],
    ]),
  });
  await source.answer(["10.0.0.7"]);
  resolver.close();
  assert.deepEqual([timers.pending, source.isClosed], [0, true]);
  await source.answer(["10.0.0.8"]);
  resolver.watch(new Map([["c.test", EVERY_MS]]));
  timers.pass(100_000);
  assert.deepEqual([source.asked.length, timers.pending, changes.length], [2, 0, 1]);
  assert.deepEqual(resolver.addressesOf(NAME), ["10.0.0.7"]);
});
