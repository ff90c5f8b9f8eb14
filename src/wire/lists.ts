/** Lists in field values (RFC 9110 §5.6.1), and the white space that HTTP knows: SP and HTAB, and no other. Pure. */
import { HTAB, SPACE } from "./octets.ts";

/** `String.trim` takes away more, such as 0xA0: a name that begins with it would be another one for us alone. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The members of a list without empty ones. Knows no quoted strings: for lists of tokens. */
export function listItems(value: string): string[] {
  return value
    .split(",")
    .map(trimBlanks)
    .filter((item) => item !== "");
}

export function isBlank(code: number): boolean {
  return code === SPACE || code === HTAB;
}
