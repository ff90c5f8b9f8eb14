import assert from "node:assert/strict";
import { test } from "node:test";
import { eventText } from "../../../../src/control-plane/events/sse.ts";

test("an event is three lines and an empty one, whatever its texts hold", () => {
  const reason = 'one\ntwo\r\nthree\rdata: x\n\nid: 9\u2028"';
  const text = eventText("a1-7", "switched", { at: "2030-01-01T00:00:00.000Z", reason });
  const [id, event, data, ...rest] = text.split(/\r\n|\r|\n/);
  assert.deepEqual([id, event, rest], ["id: a1-7", "event: switched", ["", ""]]);
  assert.deepEqual(JSON.parse(data?.slice("data: ".length) ?? ""), {
    at: "2030-01-01T00:00:00.000Z",
    reason,
  });
});
