/** Promises of core/status-phrases.ts. */
import assert from "node:assert/strict";
import { STATUS_CODES } from "node:http";
import { test } from "node:test";
import { STATUS_PHRASES } from "../../../src/core/status-phrases.ts";

test("the phrases are those of node:http", () => {
  assert.deepEqual(STATUS_PHRASES, STATUS_CODES);
});
