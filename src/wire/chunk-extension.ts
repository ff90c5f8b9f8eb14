/**
 * Chunk extensions, read strictly and for their end alone: what they say is for one hop, and nobody has asked. Pure.
 *
 *   *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
 *
 * A state for each place in that grammar, a step for each octet.
 *
 * @see RFC 9112 §7.1.1, RFC 9110 §5.6.3 (BWS), §5.6.4 (quoted-string)
 */

import { isBlank } from "./lists.ts";
import { EQUALS, IS_TEXT, IS_TOKEN, SEMICOLON } from "./octets.ts";

/** Behind the size, or behind white space that follows one extension: only another may come. */
export const BEFORE_EXTENSION = 0;
const NAME_START = 1;
const NAME = 2;
const NAME_BLANKS = 3;
const VALUE_START = 4;
const TOKEN = 5;
const QUOTED = 6;
const ESCAPED = 7;
const QUOTED_END = 8;
export const NO_EXTENSION = -1;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** @returns the state behind this octet; NO_EXTENSION when it may not stand there. */
export function stepExtension(state: number, octet: number): number {
  switch (state) {
    case NAME_START:
      return IS_TOKEN[octet] === 1 ? NAME : isBlank(octet) ? NAME_START : NO_EXTENSION;
    case NAME:
      return IS_TOKEN[octet] === 1 ? NAME : isBlank(octet) ? NAME_BLANKS : separated(octet);
    case NAME_BLANKS:
      return isBlank(octet) ? NAME_BLANKS : separated(octet);
    case VALUE_START:
      if (octet === QUOTE) return QUOTED;
      return IS_TOKEN[octet] === 1 ? TOKEN : isBlank(octet) ? VALUE_START : NO_EXTENSION;
    case QUOTED:
      if (octet === QUOTE) return QUOTED_END;
      return octet === BACKSLASH ? ESCAPED : IS_TEXT[octet] === 1 ? QUOTED : NO_EXTENSION;
    case ESCAPED:
      return IS_TEXT[octet] === 1 ? QUOTED : NO_EXTENSION;
    case TOKEN:
      if (IS_TOKEN[octet] === 1) return TOKEN;
  }
  // Behind the size, a name or a value.
  return octet === SEMICOLON ? NAME_START : isBlank(octet) ? BEFORE_EXTENSION : NO_EXTENSION;
}

/** What ends a name. */
function separated(octet: number): number {
  return octet === EQUALS ? VALUE_START : octet === SEMICOLON ? NAME_START : NO_EXTENSION;
}

/** Whether the line may end there. */
export function isWholeExtension(state: number): boolean {
  return state === NAME || state === TOKEN || state === QUOTED_END;
}
