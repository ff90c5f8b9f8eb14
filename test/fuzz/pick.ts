/** How a grammar picks from its tables: what is plainly right, and now and then what is not. Pure. */
import * as fc from "fast-check";

/** @param odd what is rare or wrong; only a grammar of odd messages takes any of it. */
export type Pick = (sound: readonly string[], odd: readonly string[]) => fc.Arbitrary<string>;

export const pickSound: Pick = (sound) => fc.constantFrom(...sound);

/** The odd ones are rare, so that most of a message still makes sense. */
export const pickOdd: Pick = (sound, odd) => mostly(fc.constantFrom(...sound), fc.constantFrom(...odd), 12);

/** `usual` so many times more often than `rare`. */
export function mostly<T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>, times: number): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: usual, weight: times }, { arbitrary: rare, weight: 1 });
}

export interface Chunked {
  readonly bodies: readonly string[];
  readonly extensions: readonly [sound: readonly string[], odd: readonly string[]];
  readonly trailers: readonly [sound: readonly string[], odd: readonly string[]];
}

const SIZE_FORMS = ["plain", "plain", "capitals", "padded"];
const ODD_SIZES = [
  "",
  "0x5",
  "-1",
  "+5",
  " 5",
  "5 ",
  "g",
  "4",
  "1_0",
  "7fffffff",
  "ffffffffffffffff",
  "10000000000000005",
  "past 32 bits",
  "past 53 bits",
  "past 64 bits",
];

/** @returns bodies in the chunked coding, with extensions and trailers. */
export function chunkedBody(pick: Pick, { bodies, extensions, trailers }: Chunked): fc.Arbitrary<string> {
  const chunk = fc.record({
    data: fc.constantFrom(...bodies.filter((body) => body !== "")),
    size: pick(SIZE_FORMS, ODD_SIZES),
    extension: pick(...extensions),
    lineEnd: pick(["\r\n"], ["\n"]),
    end: pick(["\r\n"], ["", "\n", "\r", "\r\n\r\n", "X\r\n"]),
  });
  const last = fc.record({
    size: pick(["0", "000"], ["", "-0", "0x0"]),
    extension: pick(...extensions),
    trailers: fc.array(pick(...trailers), { maxLength: 2 }),
    end: pick(["\r\n"], ["", "\n", "\r"]),
  });
  return fc.tuple(fc.array(chunk, { maxLength: 3 }), last).map(([chunks, { trailers: lines, ...zero }]) => {
    const written = chunks.map(({ data, size, extension, lineEnd, end }) => {
      return `${formatSize(data.length, size)}${extension}${lineEnd}${data}${end}`;
    });
    const section = lines.map((line) => `${line}\r\n`).join("");
    return `${written.join("")}${zero.size}${zero.extension}\r\n${section}${zero.end}`;
  });
}

/** An odd form is the size itself. */
function formatSize(length: number, form: string): string {
  const digits = length.toString(16);
  const forms: Readonly<Record<string, string>> = {
    plain: digits,
    capitals: digits.toUpperCase(),
    padded: `000${digits}`,
    "past 32 bits": `1${digits.padStart(8, "0")}`,
    "past 53 bits": `8000000${digits.padStart(8, "0")}`,
    "past 64 bits": `1${digits.padStart(16, "0")}`,
  };
  return forms[form] ?? form;
}
