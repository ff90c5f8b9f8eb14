import assert from "node:assert/strict";
import { test } from "node:test";
import { preferredType } from "../../../src/http/accept.ts";

const OFFERS = ["text/plain", "application/json", "application/openmetrics-text"] as const;
const [TEXT, JSON_TYPE, OPENMETRICS] = OFFERS;

const PROMETHEUS =
  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

const CASES: readonly (readonly [accept: string | undefined, expected: string, why: string])[] = [
  [undefined, TEXT, "nothing said"],
  ["", TEXT, "empty"],
  ["*/*", TEXT, "curl"],
  [BROWSER, TEXT, "a browser"],
  [PROMETHEUS, OPENMETRICS, "Prometheus"],
  ["text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT, "old Prometheus"],
  ["application/json", JSON_TYPE, "json alone"],
  ["APPLICATION/JSON; charset=utf-8", JSON_TYPE, "case and parameters"],
  ["application/json, text/plain, */*", JSON_TYPE, "axios: the first named of equals"],
  ["text/plain, application/json", TEXT, "the first named of equals"],
  ["*/*, application/json", JSON_TYPE, "a full name before a wildcard"],
  ["application/json;q=0.5, text/plain", TEXT, "higher quality"],
  ["application/json;q=0.5, text/plain;q=0.4", JSON_TYPE, "higher quality"],
  ["application/json;q=0, */*", TEXT, "refused by name"],
  ["text/plain;q=0, */*;q=0.1", JSON_TYPE, "the first offer refused"],
  ["application/*", JSON_TYPE, "a type wildcard"],
  ["image/png", TEXT, "nothing that we have: the first, no 406"],
  ["application/json;q=nonsense", TEXT, "a quality that is no number"],
  ["application/jsonx", TEXT, "a look-alike"],
];

for (const [accept, expected, why] of CASES) {
  test(`Accept ${JSON.stringify(accept)} gets ${expected} (${why})`, () => {
    assert.equal(preferredType(accept, OFFERS), expected);
  });
}
