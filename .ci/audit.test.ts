/** The audit can fail: made-up reports, in the form that npm 11 writes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Exception, judge } from "./audit-report.ts";

const EXCEPTIONS: readonly Exception[] = [
  { package: "a", ids: ["GHSA-aaaa"], weakness: "CWE-444", reason: "it is not used" },
];

function report(...advisories: { name: string; url?: string; cwe?: string[] }[]): string {
  const vulnerabilities = Object.fromEntries(
    advisories.map(({ name, url = "https://example.org/GHSA-zzzz", cwe = [] }) => [
      name,
      { name, via: [{ name, url, cwe, title: "Something", severity: "high" }] },
    ]),
  );
  return JSON.stringify({ auditReportVersion: 2, vulnerabilities });
}

test("a report without findings is clean", () => {
  assert.deepEqual(judge(report(), EXCEPTIONS), { kind: "clean", lines: [] });
});

test("a finding that nothing excepts stands", () => {
  const { kind, lines } = judge(report({ name: "b" }), EXCEPTIONS);
  assert.equal(kind, "found");
  assert.deepEqual(lines, ["FOUND: b (high): Something https://example.org/GHSA-zzzz"]);
});

test("an exception covers an advisory by id or by weakness, and its reason is printed", () => {
  for (const advisory of [
    { name: "a", url: "https://example.org/GHSA-aaaa" },
    { name: "a", cwe: ["CWE-20", "CWE-444"] },
  ]) {
    const { kind, lines } = judge(report(advisory), EXCEPTIONS);
    assert.equal(kind, "clean");
    assert.equal(lines[1], "  because it is not used");
  }
});

test("an exception covers neither another advisory of its package nor its advisory in another package", () => {
  assert.equal(judge(report({ name: "a" }), EXCEPTIONS).kind, "found");
  assert.equal(judge(report({ name: "b", cwe: ["CWE-444"] }), EXCEPTIONS).kind, "found");
});

test("a package that is listed through another counts once, with the one that has the advisory", () => {
  const { vulnerabilities } = JSON.parse(report({ name: "b" }));
  vulnerabilities.c = { name: "c", via: ["b"] };
  const { kind, lines } = judge(JSON.stringify({ vulnerabilities }), []);
  assert.deepEqual([kind, lines.length], ["found", 1]);
  assert.equal(judge(JSON.stringify({ vulnerabilities: { c: { via: ["b"] } } }), []).kind, "found");
});

test("a registry without an audit is told apart from a clean report", () => {
  for (const text of [
    "",
    "not JSON",
    "[]",
    '{"message":"405 Method Not Allowed - POST https://example.org/-/npm/v1/security","error":{"summary":""}}',
  ]) {
    assert.equal(judge(text, []).kind, "not run");
  }
});
