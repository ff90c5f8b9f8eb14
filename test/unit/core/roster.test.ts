import assert from "node:assert/strict";
import { test } from "node:test";
import { type Member, Roster } from "../../../src/core/roster.ts";

const newcomer = (): Member => ({ place: 0 });

function contents(roster: Roster<Member>): Set<Member> {
  const found = new Set<Member>();
  roster.each((member) => found.add(member));
  return found;
}

test("whatever comes and goes, exactly those that have not left are there", () => {
  const roster = new Roster();
  const there = new Set<Member>();
  for (let step = 0; step < 1_000; step++) {
    const leaves = step % 3 === 2 ? [...there][(step * 7) % there.size] : undefined;
    if (leaves !== undefined) {
      roster.delete(leaves);
      there.delete(leaves);
    } else {
      const comes = newcomer();
      roster.add(comes);
      there.add(comes);
    }
    assert.equal(roster.size, there.size);
  }
  assert.deepEqual(contents(roster), there);
});

test("one that has left already, or was never there, takes no other one along", () => {
  const roster = new Roster();
  const [first, second, stranger] = [newcomer(), newcomer(), newcomer()];
  roster.add(first);
  roster.add(second);
  roster.delete(first);
  roster.delete(first);
  roster.delete(stranger);
  assert.deepEqual(contents(roster), new Set([second]));
});

test("each is visited when every one leaves as it is visited", () => {
  const roster = new Roster();
  const all = Array.from({ length: 10 }, newcomer);
  for (const member of all) roster.add(member);
  const visited = new Set<Member>();
  roster.each((member) => {
    visited.add(member);
    roster.delete(member);
  });
  assert.equal(visited.size, 10);
  assert.equal(roster.size, 0);
});

test("one that was here may come again", () => {
  const roster = new Roster();
  const [first, second] = [newcomer(), newcomer()];
  for (const member of [first, second]) roster.add(member);
  roster.delete(first);
  roster.add(first);
  roster.delete(second);
  assert.deepEqual(contents(roster), new Set([first]));
});

test("one that comes while all are visited is not missed the next time", () => {
  const roster = new Roster();
  const late = newcomer();
  roster.add(newcomer());
  roster.each(() => roster.add(late));
  assert.equal(contents(roster).has(late), true);
  assert.equal(roster.size, 2);
});
