/**
 * What a client may send: pipelines of valid and nearly valid requests, baits in them, damage on top. Pure.
 *
 * Two grammars: `sound`, every part of which is plainly right, so that it must be served, and `odd`, which takes from
 * each table also what is right but rare, and what is wrong in one of the ways that parsers disagree on.
 */
import * as fc from "fast-check";
import { mutate, mutations, undamaged } from "./mutations.ts";
import { chunkedBody, mostly, type Pick, pickOdd, pickSound } from "./pick.ts";
import {
  BODIES,
  EXTENSIONS,
  FIELDS,
  HOSTS,
  METHODS,
  ODD_EXTENSIONS,
  ODD_FIELDS,
  ODD_HOSTS,
  ODD_METHODS,
  ODD_TARGETS,
  ODD_TRAILERS,
  ODD_VERSIONS,
  TARGETS,
  TRAILERS,
  VERSIONS,
} from "./request-words.ts";
import { cutInto, type WireCase } from "./wire-case.ts";

/** A body and the fields that frame it. */
interface Framed {
  readonly fields: readonly string[];
  readonly body: string;
}

const byLength = fc
  .constantFrom(...BODIES)
  .map((body): Framed => ({ fields: [`Content-Length: ${body.length}`], body }));
const byWrongLength = fc
  .record({ body: fc.constantFrom(...BODIES), length: fc.nat(60) })
  .map(({ body, length }): Framed => ({ fields: [`Content-Length: ${length}`], body }));

function framed(pick: Pick, isSound: boolean): fc.Arbitrary<Framed> {
  const tables = {
    bodies: BODIES,
    extensions: [EXTENSIONS, ODD_EXTENSIONS],
    trailers: [TRAILERS, ODD_TRAILERS],
  } as const;
  const byChunks = chunkedBody(pick, tables).map(
    (body): Framed => ({ fields: ["Transfer-Encoding: chunked"], body }),
  );
  const none = fc.constant<Framed>({ fields: [], body: "" });
  const plain = fc.oneof(none, byLength, byChunks);
  if (isSound) return plain;
  const byBoth = fc
    .record({ length: byLength, chunks: byChunks, isSwapped: fc.boolean(), isChunked: fc.boolean() })
    .map(({ length, chunks, isSwapped, isChunked }): Framed => {
      const [first, second] = isSwapped ? [chunks, length] : [length, chunks];
      return { fields: [...first.fields, ...second.fields], body: isChunked ? chunks.body : length.body };
    });
  return mostly(plain, fc.oneof(byBoth, byWrongLength), 4);
}

function request(isSound: boolean): fc.Arbitrary<string> {
  const pick = isSound ? pickSound : pickOdd;
  return fc
    .record({
      before: pick([""], ["\r\n", "\r\n\r\n", "\n", "\r", " "]),
      method: pick(METHODS, ODD_METHODS),
      space: pick([" "], ["  ", "\t", "\x0b"]),
      target: pick(TARGETS, ODD_TARGETS),
      version: pick(VERSIONS, ODD_VERSIONS),
      host: pick(HOSTS, ODD_HOSTS),
      fields: fc.array(pick(FIELDS, ODD_FIELDS), { maxLength: 5 }),
      framed: framed(pick, isSound),
      lineEnd: pick(["\r\n"], ["\n", "\r", "\r\r\n", " \r\n"]),
      oddLine: fc.nat(12),
    })
    .map(({ before, method, space, target, version, host, fields, lineEnd, oddLine, ...rest }) => {
      const first = `${method}${space}${target} ${version}`;
      const lines = [first, host, ...fields, ...rest.framed.fields].filter((line) => line !== "");
      // One line of the head may end otherwise than the others.
      const head = [...lines, ""].map((line, index) => line + (index === oddLine ? lineEnd : "\r\n"));
      return before + head.join("") + rest.framed.body;
    });
}

const cuts = fc.array(fc.nat(4_000), { maxLength: 4 });
const ends = fc.constantFrom<WireCase["end"]>("keep", "keep", "fin");

const sound: fc.Arbitrary<WireCase> = fc
  .record({ requests: fc.array(request(true), { minLength: 1, maxLength: 4 }), places: cuts, end: ends })
  .map(({ requests, places, end }) => ({ pieces: cutInto(requests.join(""), places), end, isSound: true }));

const odd: fc.Arbitrary<WireCase> = fc
  .record({
    requests: fc.array(mostly(request(false), request(true), 2), { minLength: 1, maxLength: 3 }),
    damage: mostly(undamaged, mutations, 1),
    places: cuts,
    end: mostly(ends, fc.constant<WireCase["end"]>("reset"), 9),
  })
  .map(({ requests, damage, places, end }) => ({
    pieces: cutInto(mutate(requests.join(""), damage), places),
    end,
    isSound: false,
  }));

export const requestCase: fc.Arbitrary<WireCase> = mostly(odd, sound, 4);
