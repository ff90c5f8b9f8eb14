/** Cases of the promise "hop-by-hop": Via, and requests that go in a circle. */
import assert from "node:assert/strict";
import { type Case, get, OK } from "../case.ts";
import { readCounter } from "../counters.ts";
import { VIA } from "../profiles.ts";

/** Via fields that name the proxy. */
const LOOPS: readonly (readonly [what: string, via: string])[] = [
  ["alone", `1.1 ${VIA}`],
  ["in other case, with a protocol and a comment", `HTTP/1.1 ${VIA.toUpperCase()} (Daemon 1.0)`],
  ["between others", `1.0 fred, 1.1 ${VIA}, 1.1 p.example.net (a, b)`],
  ["behind a comment that never ends", `1.1 fred (, 1.1 ${VIA}`],
];

/** Via fields that only look like it. */
const OTHERS = [
  `1.1 ${VIA}.example`,
  `1.1 x${VIA}`,
  `1.1 fred (${VIA})`,
  `1.1 fred (a, 1.1 ${VIA})`,
  `1.1 ${VIA}:81`,
];

export const via: readonly Case[] = [
  {
    promise: "hop-by-hop",
    says: "a Via that came passes, in both directions, whether or not the proxy adds its own",
    source: "RFC 9110 §7.6.3",
    run: async ({ exchange }) => {
      const line = "Via: 1.0 fred, 1.1 p.example.net (Apache/1.1)";
      const fields = `HTTP/1.1 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`;
      const { seen, answer } = await exchange(get("/", line), fields);
      const came = line.slice("Via: ".length);
      assert.ok(seen.fieldAll("via").join(", ").startsWith(came), seen.head);
      assert.ok(answer.headerAll("via").join(", ").startsWith(came));
    },
  },
  {
    promise: "hop-by-hop",
    says: "Via gets the proxy's entry behind those that came, with the version that came",
    source: "RFC 9110 §7.6.3",
    profile: "via",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "Via: 1.0 fred", "X-A: 1", "via: 1.1 joe"));
      assert.equal(seen.fieldAll("via").join(", "), `1.0 fred, 1.1 joe, 1.1 ${VIA}`);
      const old = await exchange("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
      assert.deepEqual(old.seen.fieldAll("via"), [`1.0 ${VIA}`]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "an answer gets the proxy's entry in Via, with the version that the backend spoke",
    source: "RFC 9110 §7.6.3",
    profile: "via",
    run: async ({ exchange }) => {
      const first = await exchange(get());
      assert.deepEqual(first.answer.headerAll("via"), [`1.1 ${VIA}`]);
      const old = await exchange(get(), OK.replace("HTTP/1.1", "HTTP/1.0"));
      assert.deepEqual(old.answer.headerAll("via"), [`1.0 ${VIA}`]);
    },
  },
  {
    promise: "hop-by-hop",
    says: "a client that names Via in Connection does not strip the proxy's own",
    source: "RFC 9110 §7.6.1, §7.6.3",
    profile: "via",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "Connection: via", "Via: 1.1 fred"));
      assert.match(seen.fieldAll("via").join(", "), new RegExp(`1\\.1 ${VIA}$`));
    },
  },
  ...LOOPS.map(
    ([what, value]): Case => ({
      promise: "hop-by-hop",
      says: `a request whose Via names the proxy ${what} is answered 508 and goes nowhere`,
      source: "RFC 5842 §7.2; RFC 9110 §7.6.3",
      profile: "via",
      run: async ({ open, daemon, backend }) => {
        const labels = { reason: "loop_detected" };
        const before = await readCounter(daemon(), "http_refusals_total", labels);
        const client = await open();
        const given = await client.send(get("/", `Via: ${value}`)).readResponse();
        assert.deepEqual([given.status, JSON.parse(given.text).code], [508, "LOOP_DETECTED"]);
        assert.equal(backend.requestsSeen, 0);
        assert.equal((await readCounter(daemon(), "http_refusals_total", labels)) - before, 1);
      },
    }),
  ),
  {
    promise: "hop-by-hop",
    says: "a Via that only looks like the proxy's is no loop",
    source: "RFC 9110 §7.6.3: received-by is compared whole, comments mean nothing",
    profile: "via",
    run: async ({ exchange }) => {
      for (const value of OTHERS) {
        const { answer } = await exchange(get("/", `Via: ${value}`));
        assert.deepEqual([value, answer.status], [value, 200]);
      }
    },
  },
  {
    promise: "hop-by-hop",
    says: "a request that comes back is known without Via, by the proxy's name in Forwarded",
    source: "RFC 7239 §5.1 (by)",
    daemonOnly: true,
    run: async ({ open, exchange, backend }) => {
      const { seen } = await exchange(get());
      const client = await open();
      client.send(get("/", `Forwarded: ${seen.field("forwarded")}, for=10.0.0.1`));
      assert.equal((await client.readResponse()).status, 508);
      assert.equal(backend.requestsSeen, 1);
    },
  },
];
