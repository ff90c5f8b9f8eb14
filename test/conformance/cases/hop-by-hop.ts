/** Cases of the promise "hop-by-hop": what is for this connection alone ends here, and what we add is ours. */
import assert from "node:assert/strict";
import { answer, type Case, get, request } from "../case.ts";

/** Beside Connection itself; each must go even when Connection does not name it. */
const FIXED = ["Keep-Alive: timeout=5", "Proxy-Connection: keep-alive"];

export const hopByHop: readonly Case[] = [
  ...FIXED.flatMap((line): Case[] => {
    const name = line.slice(0, line.indexOf(":"));
    return [
      {
        promise: "hop-by-hop",
        says: `a request's ${name} does not reach the backend, named by Connection or not`,
        source: "RFC 9110 §7.6.1",
        run: async ({ exchange }) => {
          for (const named of [[], [`Connection: ${name}`]]) {
            const { seen } = await exchange(get("/", ...named, line, "X-Stays: 1"));
            assert.deepEqual(seen.fieldAll(name), []);
            assert.equal(seen.field("x-stays"), "1");
          }
        },
      },
      {
        promise: "hop-by-hop",
        says: `an answer's ${name} does not reach the client`,
        source: "RFC 9110 §7.6.1",
        run: async ({ exchange }) => {
          const { answer: given } = await exchange(get(), answer("200 OK", [line, "X-Stays: 1"], "ok"));
          // A proxy may say its own time limit.
          assert.ok(!given.headerAll(name).includes(line.slice(name.length + 2)));
          assert.equal(given.header("x-stays"), "1");
        },
      },
    ];
  }),
  {
    promise: "hop-by-hop",
    says: "a request's fields that Connection names do not reach the backend",
    source: "RFC 9110 §7.6.1",
    run: async ({ exchange }) => {
      const { seen } = await exchange(
        get(
          "/",
          "Connection: X-First , x-second",
          "Connection: X-THIRD",
          "X-First: 1",
          "X-Second: 2",
          "X-Third: 3",
        ),
      );
      for (const name of ["x-first", "x-second", "x-third"]) assert.deepEqual(seen.fieldAll(name), []);
    },
  },
  {
    promise: "hop-by-hop",
    says: "an answer's fields that Connection names do not reach the client",
    source: "RFC 9110 §7.6.1",
    run: async ({ exchange }) => {
      const fields = ["Connection: X-Inner", "X-Inner: 1", "X-Outer: 2"];
      const { answer: given } = await exchange(get(), answer("200 OK", fields, "ok"));
      assert.equal(given.header("x-inner"), undefined);
      assert.equal(given.header("x-outer"), "2");
    },
  },
  {
    promise: "hop-by-hop",
    says: "a client that names X-Forwarded-For in Connection does not strip the proxy's own",
    source: "CVE-2022-31813 (httpd)",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "Connection: X-Forwarded-For"));
      assert.match(seen.fieldAll("x-forwarded-for").join(", "), /127\.0\.0\.1$/);
    },
  },
  {
    promise: "hop-by-hop",
    says: "naming Host and Content-Length in Connection takes neither away",
    source: "RFC 9110 §7.6.1; abusing hop-by-hop headers (N. Davison, 2019)",
    run: async ({ exchange }) => {
      const fields = ["Connection: host, content-length, transfer-encoding", "Content-Length: 2"];
      const { seen } = await exchange(request("POST /", fields, "hi"));
      assert.equal(seen.field("host"), "h");
      assert.equal((await seen.body()).toString(), "hi");
    },
  },
  {
    promise: "hop-by-hop",
    says: "X-Forwarded-For ends with the client's address, whatever it came with",
    source: "RFC 7239 §7.4; nginx $proxy_add_x_forwarded_for",
    run: async ({ exchange }) => {
      const { seen } = await exchange(get("/", "X-Forwarded-For: 192.0.2.1"));
      // Appended, or instead: nobody has said that 192.0.2.1 is to be believed.
      assert.match(seen.fieldAll("x-forwarded-for").join(", "), /^(192\.0\.2\.1, )?127\.0\.0\.1$/);
    },
  },
];
