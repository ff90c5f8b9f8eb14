import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanName } from "../../../../src/control-plane/admin/client-certificate.ts";

const CASES: readonly (readonly [given: string, cleaned: string])[] = [
  ["deployer", "deployer"],
  ["Jörg Müller <joerg@example.org>", "Jörg Müller <joerg@example.org>"],
  ["部署者", "部署者"],
  ["a\nb\r\tc\0d", "a?b??c?d"],
  ["\u001b[31mred", "?[31mred"],
  ["right\u202eto\u2066left\u200b", "right?to?left?"],
  ["line\u2028break\u0085", "line?break?"],
  ["  in the middle  ", "in the middle"],
  ["   ", ""],
  ["x".repeat(200), "x".repeat(64)],
  ["😀".repeat(65), "😀".repeat(64)],
];

for (const [given, cleaned] of CASES) {
  test(`a certificate for ${JSON.stringify(given.slice(0, 40))} is called ${JSON.stringify(cleaned.slice(0, 40))}`, () => {
    assert.equal(cleanName(given), cleaned);
  });
}
