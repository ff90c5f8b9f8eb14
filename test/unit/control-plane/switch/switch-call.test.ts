import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callDigest,
  parsePauseBody,
  parseResumeBody,
  parseRollbackBody,
  parseSwitchBody,
} from "../../../../src/control-plane/switch/switch-call.ts";
import { SwitchRefusal } from "../../../../src/control-plane/switch/switch-refusal.ts";

function refused(message: string | RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof SwitchRefusal);
    assert.deepEqual([error.code, error.status], ["MALFORMED_CALL", 400]);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

test("a version alone is a whole call", () => {
  assert.deepEqual(parseSwitchBody('{"version":"v2"}'), {
    version: "v2",
    force: false,
    dryRun: false,
    reason: null,
    expect: null,
    waitMs: 0,
    holdMs: 0,
  });
});

test("every field is read", () => {
  const body = {
    version: "v2",
    force: true,
    dry_run: true,
    reason: "v1 is on fire",
    wait: "30s",
    hold: "2s",
    expect: { epoch: 0 },
  };
  assert.deepEqual(parseSwitchBody(JSON.stringify(body)), {
    version: "v2",
    force: true,
    dryRun: true,
    reason: "v1 is on fire",
    expect: { epoch: 0 },
    waitMs: 30_000,
    holdMs: 2_000,
  });
});

test("a rollback may have an empty body", () => {
  for (const text of ["", " \n", "{}"]) {
    assert.deepEqual(parseRollbackBody(text), { reason: null, force: false, expect: null, holdMs: 0 });
  }
  assert.deepEqual(parseRollbackBody('{"expect":{"version":"v2"},"force":true,"reason":"x"}'), {
    reason: "x",
    force: true,
    expect: { version: "v2" },
    holdMs: 0,
  });
});

test("a pause is 30 s long unless it says otherwise, and bounded", () => {
  assert.deepEqual(parsePauseBody(""), { forMs: 30_000, reason: null });
  assert.deepEqual(parsePauseBody('{"for":"2m","reason":"migrate"}'), { forMs: 120_000, reason: "migrate" });
  for (const length of ["0s", "11m", "1h"]) {
    assert.throws(() => parsePauseBody(JSON.stringify({ for: length })), refused(/^for must be /));
  }
  assert.throws(
    () => parsePauseBody('{"until":"2m"}'),
    refused(/^unknown field "until"; known are for, reason/),
  );
});

test("a resume takes nothing", () => {
  parseResumeBody("");
  parseResumeBody(" {} ");
  assert.throws(
    () => parseResumeBody('{"for":"2m"}'),
    refused(/^unknown field "for"; no field is known here$/),
  );
});

const WAITS: Record<string, number> = { "0s": 0, "250ms": 250, "10m": 600_000 };
for (const [wait, waitMs] of Object.entries(WAITS)) {
  test(`wait ${wait} is ${waitMs} ms`, () => {
    assert.equal(parseSwitchBody(JSON.stringify({ version: "v2", wait })).waitMs, waitMs);
  });
}

const MALFORMED: [string, string | RegExp][] = [
  ["", 'the body is empty; send {"version": "..."}'],
  ["{", /^the body is not JSON: /],
  ["version=v2", /^the body is not JSON: /],
  ["null", "the body must be a JSON object"],
  ["[]", "the body must be a JSON object"],
  ['"v2"', "the body must be a JSON object"],
  ["{}", "version must be the name of a version"],
  ['{"version":2}', "version must be the name of a version"],
  ['{"version":null}', "version must be the name of a version"],
  ['{"version":""}', "version must not be empty"],
  [`{"version":"${"v".repeat(65)}"}`, "version is longer than the name of any version"],
  ['{"version":"v2","force":1}', "force must be true or false"],
  ['{"version":"v2","force":"true"}', "force must be true or false"],
  ['{"version":"v2","dry_run":"yes"}', "dry_run must be true or false"],
  ['{"version":"v2","forse":true}', 'unknown field "forse"; did you mean force?'],
  ['{"version":"v2","dryRun":true}', 'unknown field "dryRun"; did you mean dry_run?'],
  ['{"version":"v2","hald":"2s"}', 'unknown field "hald"; did you mean hold?'],
  ['{"version":"v2","__proto__":{}}', /^unknown field "__proto__"/],
  ['{"version":"v2","constructor":1}', /^unknown field "constructor"/],
  ['{"version":"v2","force":true}', "reason must say why, when force is true"],
  ['{"version":"v2","force":true,"reason":"  "}', "reason must say why, when force is true"],
  ['{"version":"v2","reason":5}', "reason must be a text"],
  ['{"version":"v2","reason":"a\\nb"}', "reason must not hold control characters such as line breaks"],
  ['{"version":"v2","reason":"\\u001b[2J"}', "reason must not hold control characters such as line breaks"],
  ['{"version":"v2","reason":"\\u009b"}', "reason must not hold control characters such as line breaks"],
  [`{"version":"v2","reason":"${"x".repeat(501)}"}`, "reason is longer than 500 characters"],
  ['{"version":"v2","expect":{}}', "expect must name version or epoch"],
  ['{"version":"v2","expect":"v1"}', "expect must be an object"],
  ['{"version":"v2","expect":{"epoch":-1}}', "expect.epoch must not be negative"],
  ['{"version":"v2","expect":{"epoch":"1"}}', "expect.epoch must be a whole number"],
  ['{"version":"v2","expect":{"epoch":1.5}}', "expect.epoch must be a whole number"],
  ['{"version":"v2","expect":{"epch":1}}', 'unknown field "expect.epch"; did you mean epoch?'],
  ['{"version":"v2","wait":30}', /^wait must be a duration/],
  [
    '{"version":"v2","wait":"30"}',
    "wait must be a duration from 0s to 10m; give a unit: 30s, 250ms, 10m or 1h",
  ],
  ['{"version":"v2","wait":"11m"}', "wait must be a duration from 0s to 10m"],
  ['{"version":"v2","wait":"-1s"}', /^wait must be a duration/],
  ['{"version":"v1","version":"v2"}', '"version" is there twice'],
  ['{"version":"v1","\\u0076ersion":"v2"}', '"version" is there twice'],
  ['{"version":"v2","expect":{"epoch":1,"epoch":2}}', '"epoch" is there twice'],
];
for (const [text, message] of MALFORMED) {
  test(`POST /switch ${text.slice(0, 60)} is refused: ${String(message).slice(0, 70)}`, () => {
    assert.throws(() => parseSwitchBody(text), refused(message));
  });
}

test("all problems are told at once", () => {
  const text = '{"version":5,"force":"x","hokus":1}';
  assert.throws(
    () => parseSwitchBody(text),
    (error) => {
      assert.ok(error instanceof SwitchRefusal && Array.isArray(error.details.problems));
      assert.equal(error.details.problems.length, 3);
      return true;
    },
  );
});

test("a rollback has no version, no dry run and no wait", () => {
  for (const field of ["version", "dry_run", "wait"]) {
    assert.throws(() => parseRollbackBody(JSON.stringify({ [field]: "x" })), refused(/^unknown field/));
  }
});

test("a value that only looks like a repeated key is none", () => {
  const text = '{"version":"v2","reason":"\\"version\\": version","expect":{"version":"version"}}';
  assert.equal(parseSwitchBody(text).version, "v2");
});

test("deep nesting is refused, not a crash", () => {
  const deep = `{"version":${"[".repeat(8_000)}${"]".repeat(8_000)}}`;
  assert.throws(() => parseSwitchBody(deep), refused(/^version must be/));
});

test("bodies are compared by value, calls are not mixed up", () => {
  const digest = callDigest("switch", '{"version":"v2","force":false}');
  assert.equal(callDigest("switch", ' { "force" : false,\n"version":"\\u0076\\u0032"}'), digest);
  assert.notEqual(callDigest("switch", '{"version":"v2"}'), digest);
  assert.equal(callDigest("rollback", ""), callDigest("rollback", "{}"));
  assert.notEqual(callDigest("rollback", "{}"), callDigest("switch", "{}"));
});
