/** Cases of the promise "bad-answers": chunks and trailers that are none. */
import assert from "node:assert/strict";
import { answer, type Case, get, OK } from "../case.ts";
import { assertClean, readBroken, readUnlessCut } from "../outcomes.ts";
import { sendWithoutEnd } from "../pace.ts";

const HEAD = answer("200 OK", ["Transfer-Encoding: chunked"]);
const GOOD = "4\r\ngood\r\n";
const LAST = "0\r\n\r\n";

const p = { promise: "bad-answers" } as const;

export const badBodies: readonly Case[] = [
  {
    ...p,
    says: "a bad chunk that comes with the head is a 502",
    source: "nothing has been sent yet",
    daemonOnly: true,
    run: async ({ exchange }) => {
      const { client, answer: given } = await exchange(get(), `${HEAD + GOOD}xyz\r\n`);
      assert.equal(given.status, 502);
      assert.equal((await exchange(get(), OK, { client })).answer.text, "ok");
    },
  },
  ...["xyz\r\n", "3\r\nbadd\r\n0\r\n\r\n"].map(
    (bytes, i): Case => ({
      ...p,
      says: `a bad chunk (${i === 0 ? "its size" : "its end"}) breaks a message that has begun: it never ends well`,
      source: "RFC 9112 §8",
      run: async ({ open, backend, settled }) => {
        const client = await open();
        client.send(get());
        const seen = (await backend.request()).answer(HEAD + GOOD);
        await client.readUntil("good");
        seen.answer(bytes);
        await seen.connection.waitClosed();
        await client.waitClosed();
        assert.ok(!client.unread.toString("latin1").endsWith(LAST), "a clean end");
        await settled();
      },
    }),
  ),
  {
    ...p,
    says: "a malformed trailer does not reach the client",
    source: "RFC 9112 §7.1.2; RFC 9110 §6.5",
    run: async ({ open, backend, settled }) => {
      for (const line of ["no colon", "X-T : a", "X-T: a\0b", "X-T: a\rb", " X-T: a"]) {
        const client = await open();
        client.send(get());
        (await backend.request()).answer(`${HEAD + GOOD}0\r\n${line}\r\n\r\n`);
        const given = await readUnlessCut(client);
        if (given && given.status !== 502 && given.isComplete) {
          assert.equal(given.text, "good");
          assertClean({ reason: "", headers: given.trailers });
          for (const [name] of given.trailers) assert.match(name, /^[\w-]+$/);
        }
        await settled();
      }
    },
  },
  {
    ...p,
    says: "trailers without end are given up",
    source: "RFC 9110 §6.5: a limit on heads is none when trailers have none",
    daemonOnly: true,
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const { connection } = (await backend.request()).answer(`${HEAD + GOOD}0\r\n`);
      await sendWithoutEnd(connection, "X-T: t\r\n", () => false, 32 * 2 ** 20);
      await readBroken(client);
      await settled();
    },
  },
  {
    ...p,
    says: "a chunk extension without end is given up",
    source: "CVE-2023-39326 (Go), on the other side",
    daemonOnly: true,
    run: async ({ open, backend, settled }) => {
      const client = await open();
      client.send(get());
      const { connection } = (await backend.request()).answer(`${HEAD + GOOD}1;`);
      await sendWithoutEnd(connection, "x", () => false, 32 * 2 ** 20);
      await readBroken(client);
      await settled();
    },
  },
];
