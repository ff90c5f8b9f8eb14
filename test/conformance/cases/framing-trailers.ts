/** Trailers, both ways: they pass as trailers, change nothing else, and bring in nothing that belongs in a head. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK, request } from "../case.ts";
import { refusedOrRepaired } from "../outcomes.ts";
import { upload } from "../upload.ts";

const CHUNKED = "Transfer-Encoding: chunked";
const TRAILERS = ["X-Check: 1", "x-CHECK: caf\xe9", "X-Unannounced: 2"];
const WITH_TRAILERS = withTrailers(...TRAILERS);
const FIELDS = [CHUNKED, "Trailer: X-Check"];
const EACH = ["x-check: 1", "x-check: caf\xe9", "x-unannounced: 2"];

/** Framing, routing, who the client is, and how to read the content: RFC 9110 §6.5.1. */
const FORBIDDEN = [
  "Content-Length: 100",
  "Transfer-Encoding: identity",
  "Host: evil",
  "Connection: X-Check",
  "Authorization: Basic ZXZpbDpldmls",
  "X-Forwarded-For: 192.0.2.1",
  "Content-Encoding: gzip",
];

const MALFORMED: readonly (readonly [what: string, trailer: string])[] = [
  ["a space before its colon", "X-Check : 1"],
  ["no colon", "X-Check"],
  ["a folded value", "X-Check: 1\r\n 2"],
  ["a NUL", "X-Check: 1\x002"],
  ["a CR without LF", "X-Check: 1\rX-Other: 2"],
];

export const framingTrailers: readonly Case[] = [
  {
    promise: "framing",
    says: "a request's trailers reach the backend, announced or not",
    source: "RFC 9110 §6.5; Go reverseproxy_test: trailers",
    run: async (scene) => {
      const { seen, body } = await upload(scene, request("POST /", FIELDS, WITH_TRAILERS));
      assert.equal(body, "hello");
      assert.deepEqual(eachOf(seen.trailers), EACH);
    },
  },
  {
    promise: "framing",
    says: "an answer's trailers reach the client, announced or not",
    source: "RFC 9110 §6.5; Go reverseproxy_test: trailers",
    run: async ({ exchange }) => {
      const asking = get("/", "TE: trailers", "Connection: TE");
      const { client, answer: given } = await exchange(asking, answer("200 OK", FIELDS, WITH_TRAILERS));
      assert.equal(given.text, "hello");
      assert.deepEqual(eachOf(given.trailers), EACH);
      assert.equal((await exchange(get("/next"), OK, { client })).answer.text, "ok");
    },
  },
  {
    promise: "framing",
    says: "no trailer becomes a header field, on either way",
    source: "RFC 9110 §6.5.1: MUST NOT merge",
    run: async (scene) => {
      const { seen, answer: given } = await upload(
        scene,
        request("POST /", FIELDS, withTrailers("X-Check: 1", "Authorization: evil")),
        answer("200 OK", FIELDS, withTrailers("X-Check: 1", "Set-Cookie: evil=1")),
      );
      const merged = ["x-check", "authorization"].flatMap((name) => seen.fieldAll(name));
      assert.deepEqual(merged, []);
      assert.deepEqual([given.header("x-check"), given.header("set-cookie")], [undefined, undefined]);
    },
  },
  {
    promise: "framing",
    says: "a Content-Length or Transfer-Encoding among a request's trailers frames neither it nor the next",
    source: "RFC 9110 §6.5.1; Http11Probe",
    run: (scene) => {
      const trailers = withTrailers("Content-Length: 100", "Transfer-Encoding: gzip");
      return refusedOrRepaired(scene, request("POST /", [CHUNKED], trailers), async (seen) => {
        assert.equal((await seen.body()).toString(), "hello");
        assert.equal([...seen.fieldAll("content-length"), ...seen.fieldAll("transfer-encoding")].length, 1);
      });
    },
  },
  {
    promise: "framing",
    says: "trailers that belong in a head are dropped on both ways, and the others pass",
    source: "RFC 9110 §6.5.1",
    daemonOnly: true,
    run: async (scene) => {
      const chunks = withTrailers("X-Check: 1", ...FORBIDDEN, "x-check: 2");
      const whole = request("POST /", FIELDS, chunks);
      const { seen, answer: given } = await upload(scene, whole, answer("200 OK", FIELDS, chunks));
      const others = [
        ["X-Check", "1"],
        ["x-check", "2"],
      ];
      assert.deepEqual(seen.trailers, others);
      assert.deepEqual([seen.field("trailer"), given.header("trailer")], ["X-Check", "X-Check"]);
      assert.deepEqual(given.trailers, others);
    },
  },
  ...MALFORMED.map(
    ([what, trailer]): Case => ({
      promise: "framing",
      says: `a request's trailer with ${what} is refused, dropped or mended`,
      source: "RFC 9112 §5, §7.1.2",
      run: (scene) =>
        refusedOrRepaired(scene, request("POST /", [CHUNKED], withTrailers(trailer)), async (seen) => {
          for (const [, value] of seen.trailers) assert.doesNotMatch(value, /[\r\n\0]/);
        }),
    }),
  ),
  {
    promise: "framing",
    says: "a trailer section that is too large does not end in the middle: its rest is no request",
    source: "CVE-2023-46589 (Tomcat)",
    run: async ({ open, backend, settled }) => {
      backend.respond();
      const client = await open();
      const trailers = [`X-Large: ${"a".repeat(100_000)}`, get("/smuggled").trimEnd()];
      client.send(request("POST /", [CHUNKED], withTrailers(...trailers)));
      await client.readResponse();
      await settled();
      assert.deepEqual(
        backend.requests.filter(({ target }) => target !== "/").map(({ head }) => head),
        [],
      );
    },
  },
];

function withTrailers(...trailers: readonly string[]): string {
  return ["5", "hello", "0", ...trailers, "", ""].join("\r\n");
}

/** Name and value of each; their case and, between different names, their order are no part of these promises. */
function eachOf(trailers: readonly (readonly [name: string, value: string])[]): string[] {
  return trailers.map(([name, value]) => `${name.toLowerCase()}: ${value}`).sort();
}
