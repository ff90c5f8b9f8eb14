/**
 * What a backend may say to one request: valid and nearly valid answers, baits behind them, damage on top. Pure.
 *
 * As in request-grammar.ts, `sound` answers are plainly right and must come through.
 */
import * as fc from "fast-check";
import {
  BODIES,
  EXTENSIONS,
  FIELDS,
  INTERIM,
  LEFTOVERS,
  ODD_EXTENSIONS,
  ODD_FIELDS,
  ODD_INTERIM,
  ODD_STATUS_LINES,
  ODD_TRAILERS,
  STATUS_LINES,
  TRAILERS,
} from "./answer-words.ts";
import { mutate, mutations, undamaged } from "./mutations.ts";
import { chunkedBody, mostly, type Pick, pickOdd, pickSound } from "./pick.ts";
import { cutInto, type WireCase } from "./wire-case.ts";

type Ask = NonNullable<WireCase["ask"]>;

/** How the end of a body is told, with the body. */
interface Framed {
  readonly framing: "none" | "length" | "chunked" | "close";
  readonly field: string;
  readonly body: string;
}

function framed(pick: Pick, lengthOff: fc.Arbitrary<number>): fc.Arbitrary<Framed> {
  const tables = {
    bodies: BODIES,
    extensions: [EXTENSIONS, ODD_EXTENSIONS],
    trailers: [TRAILERS, ODD_TRAILERS],
  } as const;
  const body = fc.constantFrom(...BODIES);
  const byLength = fc.record({ body, off: lengthOff }).map(
    (given): Framed => ({
      framing: "length",
      field: `Content-Length: ${Math.max(0, given.body.length + given.off)}`,
      body: given.body,
    }),
  );
  const byChunks = chunkedBody(pick, tables).map(
    (chunks): Framed => ({ framing: "chunked", field: "Transfer-Encoding: chunked", body: chunks }),
  );
  const byClose = body.map((text): Framed => ({ framing: "close", field: "", body: text }));
  const none = fc.constant<Framed>({ framing: "none", field: "Content-Length: 0", body: "" });
  return fc.oneof(byLength, byChunks, byClose, none);
}

interface Parts extends Framed {
  readonly ask: Ask;
  readonly interim: readonly string[];
  readonly statusLine: string;
  readonly fields: readonly string[];
}

function parts(asks: readonly Ask[], pick: Pick, lengthOff: fc.Arbitrary<number>): fc.Arbitrary<Parts> {
  return fc
    .record({
      ask: fc.constantFrom(...asks),
      interim: fc.array(pick(INTERIM, ODD_INTERIM), { maxLength: 2 }),
      statusLine: pick(STATUS_LINES, ODD_STATUS_LINES),
      fields: fc.array(pick(FIELDS, ODD_FIELDS), { maxLength: 5 }),
      content: framed(pick, lengthOff),
    })
    .map(({ content, ...head }) => ({ ...head, ...content }));
}

function hasNoBody({ ask, statusLine }: Parts): boolean {
  return ask === "HEAD" || / (204|304) /.test(statusLine);
}

function textOf(given: Parts): string {
  const { interim, statusLine, fields, field, body } = given;
  // A 204 has neither of the fields that frame a body (RFC 9110 §8.6, RFC 9112 §6.1).
  const framing = / 204 /.test(statusLine) ? "" : field;
  const lines = [statusLine, ...fields, framing].filter((line) => line !== "");
  return `${interim.join("")}${lines.join("\r\n")}\r\n\r\n${hasNoBody(given) ? "" : body}`;
}

const cuts = fc.array(fc.nat(2_000), { maxLength: 4 });
const ends = fc.constantFrom<WireCase["end"]>("keep", "fin");

const sound: fc.Arbitrary<WireCase> = fc
  .record({
    given: parts(["GET", "GET", "HEAD", "HTTP/1.0"], pickSound, fc.constant(0)),
    places: cuts,
    end: ends,
  })
  .map(({ given, places, end }) => ({
    ask: given.ask,
    pieces: cutInto(textOf(given), places),
    end: given.framing === "close" && !hasNoBody(given) ? "fin" : end,
    isSound: true,
  }));

const odd: fc.Arbitrary<WireCase> = fc
  .record({
    given: parts(
      ["GET", "GET", "GET", "HEAD", "HTTP/1.0", "upgrade"],
      pickOdd,
      mostly(fc.constant(0), fc.integer({ min: -3, max: 9 }), 8),
    ),
    leftover: mostly(fc.constant(""), fc.constantFrom(...LEFTOVERS), 3),
    damage: mostly(undamaged, mutations, 1),
    places: cuts,
    end: mostly(ends, fc.constant<WireCase["end"]>("reset"), 5),
  })
  .map(({ given, leftover, damage, places, end }) => ({
    ask: given.ask,
    pieces: cutInto(mutate(textOf(given) + leftover, damage), places),
    end,
    isSound: false,
  }));

export const answerCase: fc.Arbitrary<WireCase> = mostly(odd, sound, 4);
