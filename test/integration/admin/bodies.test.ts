/** What a bad body of an admin call gets: a clear refusal, nothing changed, on both ports. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Reply } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { openRaw } from "../../support/raw-client.ts";

const { v1, v2, proxy } = await startPair({ after }, { workers: 2 });
const PORTS = [proxy.adminPort, proxy.port];
const LIMIT_BYTES = 16 * 1024;
const BODY_LIMIT_MS = 10_000;

async function onBoth(body: string | Uint8Array, path = "/switch"): Promise<readonly Reply[]> {
  const options = { body, headers: { "content-type": "application/json" } };
  return [await proxy.admin("POST", path, options), await proxy.adminOnTrafficPort("POST", path, options)];
}

async function assertNothingChanged(): Promise<void> {
  const { epoch, current_version } = await proxy.status();
  assert.deepEqual([epoch, current_version], [0, "v1"]);
  const calls = [...v1.requests, ...v2.requests].filter(({ url }) => url.startsWith("/switch"));
  assert.deepEqual(calls, []);
}

/** A body of exactly `bytes` bytes that asks for the active version. */
function padded(bytes: number): string {
  const body = JSON.stringify({ version: "v1" });
  return body + " ".repeat(bytes - body.length);
}

const MALFORMED: Readonly<Record<string, string | Uint8Array>> = {
  empty: "",
  "only white space": " \n",
  "half an object": '{"version":"v2"',
  "no JSON": "version=v2",
  "single quotes": "{'version':'v2'}",
  "a trailing comma": '{"version":"v2",}',
  "two objects": '{"version":"v2"}{"version":"v2"}',
  "an array": '[{"version":"v2"}]',
  "a text": '"v2"',
  null: "null",
  "a number": "2",
  "not UTF-8": new Uint8Array([...Buffer.from('{"version":"v'), 0xff, 0xfe, ...Buffer.from('"}')]),
  "a NUL": '{"version":"v2"}\0',
  "a field twice": '{"version":"v2","version":"v1"}',
  "a field twice, once escaped": '{"version":"v2","\\u0076ersion":"v1"}',
  __proto__: '{"version":"v2","__proto__":{"force":true}}',
  "a typo": '{"verison":"v2"}',
  "deep nesting": `{"version":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
};

for (const [name, body] of Object.entries(MALFORMED)) {
  test(`a body with ${name} is 400 and changes nothing`, { timeout: 20_000 }, async () => {
    for (const reply of await onBoth(body)) {
      assert.equal(reply.status, 400, reply.body);
      assert.match(String(reply.headers["content-type"]), /^application\/problem\+json/);
      const problem = reply.json();
      assert.deepEqual([problem.success, problem.code, problem.status], [false, "MALFORMED_CALL", 400]);
      assert.notEqual(problem.message, "");
      assert.ok(reply.body.length < 2_000, "the answer is no echo");
    }
    await assertNothingChanged();
  });
}

test("a byte order mark before the object does not matter, or is 400; it never switches elsewhere", {
  timeout: 20_000,
}, async () => {
  for (const reply of await onBoth(`\uFEFF${JSON.stringify({ version: "v1" })}`)) {
    assert.ok([200, 400].includes(reply.status), reply.body);
  }
  await assertNothingChanged();
});

test("16 KiB are taken, one byte more is 413, by its length or as it comes", {
  timeout: 20_000,
}, async (t) => {
  for (const reply of await onBoth(padded(LIMIT_BYTES))) assert.equal(reply.status, 200, reply.body);
  for (const reply of await onBoth(padded(LIMIT_BYTES + 1))) {
    assert.equal(reply.status, 413, reply.body);
    assert.equal(reply.json().code, "CALL_TOO_LARGE");
  }
  for (const port of PORTS) {
    const client = await openRaw(port, { t });
    client.send(
      "POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const chunk = `1000\r\n${" ".repeat(0x1000)}\r\n`;
    for (let n = 0; n < 6; n++) client.send(chunk);
    assert.equal((await client.readResponse()).status, 413);
  }
  await assertNothingChanged();
});

test("a body of gigabytes is 413 at once, without being taken in", { timeout: 20_000 }, async (t) => {
  for (const port of PORTS) {
    const client = await openRaw(port, { t });
    client.send(
      "POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 5000000000\r\n\r\n{",
    );
    assert.equal((await client.readResponse()).status, 413);
    await client.waitClosed(5_000);
  }
});

test("Expect: 100-continue is answered, then the call", { timeout: 20_000 }, async (t) => {
  for (const port of PORTS) {
    const client = await openRaw(port, { t });
    client.send(
      "POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n",
    );
    await client.readUntil("HTTP/1.1 100 Continue\r\n\r\n");
    const { status, text } = await client.send('{"version":"v1"}').readResponse();
    assert.equal(status, 200, text);
  }
});

describe("a body that does not come", { concurrency: true }, () => {
  for (const [listener, port] of [
    ["the admin listener", proxy.adminPort],
    ["the traffic port", proxy.port],
  ] as const) {
    for (const [what, bytes] of [
      ["never comes", ""],
      ["stops in the middle", '{"version":'],
    ] as const) {
      test(`one that ${what} is 408 after about 10 s on ${listener}, and changes nothing`, {
        timeout: 40_000,
      }, async (t) => {
        const client = await openRaw(port, { t });
        const beganAtMs = performance.now();
        client.send(
          `POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n${bytes}`,
        );
        const { status, text } = await client.readResponse({ limitMs: 2 * BODY_LIMIT_MS });
        const tookMs = performance.now() - beganAtMs;
        assert.equal(status, 408, text);
        assert.equal((JSON.parse(text) as { code: string }).code, "CALL_TIMEOUT");
        assert.ok(tookMs > BODY_LIMIT_MS - 500 && tookMs < BODY_LIMIT_MS + 5_000, `${tookMs} ms`);
        await client.waitClosed(5_000);
        await assertNothingChanged();
      });
    }
  }

  test("one that drips for longer than 10 s is 408 as well", { timeout: 40_000 }, async (t) => {
    const client = await openRaw(proxy.adminPort, { t });
    client.send(
      "POST /switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
    );
    const drip = setInterval(() => client.send(" "), 200);
    try {
      const { status } = await client.readResponse({ limitMs: 2 * BODY_LIMIT_MS });
      assert.equal(status, 408);
    } finally {
      clearInterval(drip);
    }
  });
});
