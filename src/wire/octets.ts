/** Which octets HTTP/1.1 allows where, as tables of 256: one look-up per octet, for any input. Pure. */

export const CR = 0x0d;
export const LF = 0x0a;
export const HTAB = 0x09;
export const SPACE = 0x20;
export const ZERO = 0x30;
export const ONE = 0x31;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const DEL = 0x7f;

function tableOf(isIn: (octet: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (isIn(octet) ? 1 : 0));
}

/** 1 for tchar, the characters of field names. RFC 9110 §5.6.2 */
export const IS_TOKEN = tableOf((octet) => /[-!#$%&'*+.^_`|~0-9A-Za-z]/.test(String.fromCharCode(octet)));

/** 1 for HTAB, SP, VCHAR and obs-text: what a field's value may hold. RFC 9110 §5.5 */
export const IS_TEXT = tableOf((octet) => octet === HTAB || (octet >= SPACE && octet !== DEL));

export const NO_DIGIT = 255;

/** The value of a hexadecimal digit; NO_DIGIT for all else. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, octet) => {
  const value = Number.parseInt(String.fromCharCode(octet), 16);
  return Number.isNaN(value) ? NO_DIGIT : value;
});

/** CTL: 0x00 to 0x1f, HTAB among them, and DEL. RFC 5234 §B.1 */
export function isControl(octet: number): boolean {
  return octet < SPACE || octet === DEL;
}
