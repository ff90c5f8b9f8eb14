/** What a probe expects of an answer beside its status, and the words for what was there instead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProbeConfig } from "../../../src/config/probe-config.ts";
import { type AnswerFields, Judge } from "../../../src/health/judge.ts";

const CONFIG: ProbeConfig = {
  method: "GET",
  path: "/",
  host: null,
  headers: [],
  expect: [{ from: 200, to: 399 }],
  expectHeaders: [],
  expectBody: null,
  maxLatencyMs: null,
  timeoutMs: 1_000,
  successes: 1,
  intervalMs: 0,
};

const BODY_START_BYTES = 65_536;

type Lines = readonly (readonly [name: string, value: string])[];

function fieldsOf(lines: Lines): AnswerFields {
  return { count: lines.length, name: (i) => lines[i]?.[0] ?? "", value: (i) => lines[i]?.[1] ?? "" };
}

interface Answer {
  readonly status?: number;
  readonly lines?: Lines;
  readonly pieces?: readonly (string | Buffer)[];
  readonly latencyMs?: number;
}

function sawOf(expected: Partial<ProbeConfig>, answer: Answer): string {
  const { status = 200, lines = [], pieces = [], latencyMs = 1 } = answer;
  const judge = new Judge({ ...CONFIG, ...expected });
  judge.takeHead(status, fieldsOf(lines));
  for (const piece of pieces) judge.takePiece(Buffer.from(piece));
  const { ok, saw } = judge.verdict(latencyMs);
  assert.equal(ok, saw === String(status), "good exactly when there is nothing to say");
  return saw;
}

const V2 = { expectHeaders: [{ name: "x-version", value: "v2" }] };

test("an expected field is found in any case and in any of several lines, with exactly its value", () => {
  assert.equal(sawOf(V2, { lines: [["X-VERSION", "v2"]] }), "200");
  assert.equal(
    sawOf(V2, {
      lines: [
        ["x-version", "v1"],
        ["X-Version", "v2"],
      ],
    }),
    "200",
  );
  for (const value of ["v1", "V2", "v2x", "v", "v2, v1"]) {
    const saw = sawOf(V2, { lines: [["X-Version", value]] });
    assert.equal(saw, `200, expected the field x-version: v2, found ${value}`);
  }
  assert.equal(
    sawOf(V2, { lines: [["X-Version", ""]] }),
    "200, expected the field x-version: v2, found nothing",
  );
  assert.equal(
    sawOf(V2, { lines: [["X-Versions", "v2"]] }),
    "200, expected the field x-version: v2, found none",
  );
});

test("a field that may have any value has to be there", () => {
  const any = { expectHeaders: [{ name: "server", value: null }] };
  assert.equal(sawOf(any, { lines: [["Server", ""]] }), "200");
  assert.equal(sawOf(any, {}), "200, expected the field server, found none");
});

test("of several missing fields the first is named", () => {
  const both = {
    expectHeaders: [
      { name: "a", value: null },
      { name: "b", value: "1" },
      { name: "c", value: null },
    ],
  };
  assert.equal(sawOf(both, { lines: [["A", "x"]] }), "200, expected the field b: 1, found none");
});

test("a text is found in the body wherever its pieces were cut, within a character too", () => {
  const body = Buffer.from(`{"säule":"größe"}`);
  for (let at = 0; at <= body.length; at++) {
    const pieces = [body.subarray(0, at), body.subarray(at)];
    assert.equal(sawOf({ expectBody: '"größe"' }, { pieces }), "200", `cut at ${at}`);
  }
  assert.equal(sawOf({ expectBody: "ok" }, { pieces: [..."book"] }), "200");
  assert.equal(
    sawOf({ expectBody: "ok" }, { pieces: ["o", "-k"] }),
    '200, expected a body with "ok", found "o-k"',
  );
  assert.equal(sawOf({ expectBody: "ok" }, {}), '200, expected a body with "ok", found nothing');
});

test("the first 64 KiB of a body are searched, whether they come at once or byte by byte", () => {
  const expectBody = "needle";
  const fits = Buffer.alloc(BODY_START_BYTES, "x");
  fits.write(expectBody, BODY_START_BYTES - expectBody.length);
  const tooLate = Buffer.alloc(BODY_START_BYTES * 2, "x");
  tooLate.write(expectBody, BODY_START_BYTES - expectBody.length + 1);
  for (const size of [1, 7, 4_096, BODY_START_BYTES * 2]) {
    const piecesOf = (body: Buffer) =>
      Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
        body.subarray(i * size, (i + 1) * size),
      );
    assert.equal(sawOf({ expectBody }, { pieces: piecesOf(fits) }), "200", `pieces of ${size}`);
    assert.match(
      sawOf({ expectBody }, { pieces: piecesOf(tooLate) }),
      /found "x{40}…"$/,
      `pieces of ${size}`,
    );
  }
});

test("a latency is good up to its limit; above it the sentence never names the limit itself", () => {
  assert.equal(sawOf({ maxLatencyMs: 500 }, { latencyMs: 500 }), "200");
  assert.equal(
    sawOf({ maxLatencyMs: 500 }, { latencyMs: 500.2 }),
    "200 after 501 ms, expected at most 500 ms",
  );
  assert.equal(sawOf({ maxLatencyMs: 500 }, { latencyMs: 812 }), "200 after 812 ms, expected at most 500 ms");
});

test("of several reasons the first is named: status, fields, body, latency", () => {
  const all = { ...V2, expectBody: "ok", maxLatencyMs: 1 };
  const bad = { status: 503, lines: [["X-Version", "v1"]] as const, pieces: ["no"], latencyMs: 2 };
  const steps: readonly (readonly [Partial<Answer>, RegExp])[] = [
    [{}, /^503, expected 200-399$/],
    [{ status: 200 }, /^200, expected the field x-version/],
    [{ lines: [["X-Version", "v2"]] }, /^200, expected a body/],
    [{ pieces: ["ok"] }, /^200 after 2 ms/],
    [{ latencyMs: 1 }, /^200$/],
  ];
  let answer: Answer = bad;
  for (const [better, saw] of steps) {
    answer = { ...answer, ...better };
    assert.match(sawOf(all, answer), saw);
  }
});

test("what was found is told in one short line that draws nothing", () => {
  const found = (body: string | Buffer) =>
    /found "(.*)"$/s.exec(sawOf({ expectBody: "\u001b[2Jok" }, { pieces: [body] }))?.[1];
  assert.equal(found("<html>\r\n\t<p>\n\nsoon </p> "), "<html> <p> soon </p>");
  assert.equal(found("\u001b[31mred\u0007\u202e\u0000\u009b"), "�[31mred����");
  assert.equal(found(Buffer.from([0xff, 0x61])), "�a");
  assert.equal(found(" ".repeat(100_000)), "…");
  assert.equal(found(`${"x".repeat(39)}😀y`), `${"x".repeat(39)}�…`);
  assert.match(sawOf({ expectBody: "\u001b[2Jok" }, {}), /expected a body with "�\[2Jok"/);
  assert.match(
    sawOf(V2, { lines: [["X-Version", `\u009b2J${"y".repeat(60_000)}`]] }),
    /^200, expected the field x-version: v2, found �2Jy{37}…$/,
  );
});

test("the longest sentence fits into what the history keeps of it", () => {
  const name = "n".repeat(64);
  const value = "v".repeat(4_096);
  const lines = [[name, "w".repeat(60_000)]] as const;
  assert.ok(sawOf({ expectHeaders: [{ name, value }] }, { lines }).length <= 200);
  assert.ok(sawOf({ expectBody: "b".repeat(1_024) }, { pieces: ["c".repeat(99)] }).length <= 200);
});

test("a backend that repeats what the probe sent as a secret does not get it told", () => {
  const headers = [
    { name: "Authorization", value: "Bearer abc.DEF-123" },
    { name: "Cookie", value: "session=s3cret; a=b" },
    { name: "X-Probe", value: "yes" },
  ];
  const notShown = "found a part of the probe's headers (not shown)";
  for (const repeated of [
    "Bearer abc.DEF-123",
    '{"token":"abc.DEF-123"}',
    "no session s3cret",
    `x${" ".repeat(300)}s3cret`,
  ]) {
    const saw = sawOf({ headers, expectBody: "healthy" }, { pieces: [repeated] });
    assert.equal(saw, `200, expected a body with "healthy", ${notShown}`);
    const inField = sawOf({ headers, ...V2 }, { lines: [["X-Version", repeated]] });
    assert.equal(inField, `200, expected the field x-version: v2, ${notShown}`);
  }
  assert.match(
    sawOf({ headers, expectBody: "healthy" }, { pieces: ["yes, but a=b"] }),
    /found "yes, but a=b"$/,
  );
});
