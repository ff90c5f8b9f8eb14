/** Where a cookie's value stands in a head. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cookieEnd, cookieStart } from "../../../src/wire/cookies.ts";
import { requestHead } from "../../support/heads.ts";

function found(name: string, ...fields: string[]): string | null {
  const { fields: head } = requestHead("GET / HTTP/1.1", ["Host: h", ...fields, "Accept: */*"]);
  const start = cookieStart(head, name);
  return start === -1 ? null : head.text.slice(start, cookieEnd(head, start));
}

for (const { what, fields, value } of [
  { what: "is the only one", fields: ["Cookie: a=1"], value: "1" },
  { what: "is the last of several", fields: ["Cookie: b=2; c=3; a=1"], value: "1" },
  { what: "stands between others", fields: ["Cookie: b=2; a=1; c=3"], value: "1" },
  { what: "is told twice: the first counts", fields: ["Cookie: a=1; a=2"], value: "1" },
  { what: "stands in a second field", fields: ["cookie: b=2", "COOKIE: a=1"], value: "1" },
  { what: "has white space around it", fields: ["Cookie: \t b=2;  a=1 \t ;c=3"], value: "1" },
  { what: "is not separated by a blank", fields: ["Cookie: b=2;a=1"], value: "1" },
  { what: "is empty", fields: ["Cookie: a=; b=2"], value: "" },
  { what: "holds an equals sign", fields: ["Cookie: a=x=y"], value: "x=y" },
  { what: "is not there", fields: ["Cookie: b=2"], value: null },
  { what: "is the end of another name only", fields: ["Cookie: aa=1; ba=2"], value: null },
  { what: "is the start of another name only", fields: ["Cookie: ab=1"], value: null },
  { what: "is a name without a value", fields: ["Cookie: a; b=2"], value: null },
  { what: "stands in the value of another", fields: ["Cookie: b=a=1"], value: null },
  { what: "differs in case", fields: ["Cookie: A=1"], value: null },
  { what: "is in no Cookie field", fields: ["X-Cookie: a=1", "Cookie2: a=1"], value: null },
  { what: "has no field at all", fields: [], value: null },
] as const) {
  test(`a cookie that ${what}: ${value === null ? "none" : JSON.stringify(value)}`, () => {
    assert.equal(found("a", ...fields), value);
  });
}
