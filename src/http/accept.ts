/**
 * Accept: which of several media types a client likes best (RFC 9110 §12.5.1). Pure.
 *
 * Never answers "none": a client that accepts nothing we have gets the first, which helps it more than a 406.
 */

interface Range {
  readonly type: string;
  readonly quality: number;
}

/**
 * @param accept the field as it came; undefined when there was none.
 * @param offers media types without parameters, the preferred one first.
 * @returns the offer of the highest quality. Of equals: the one asked for by its full name, then the one
 *   named first by the client, then the one offered first.
 */
export function preferredType<T extends string>(accept: string | undefined, offers: readonly [T, ...T[]]): T {
  const ranges = (accept ?? "").split(",").map(parseRange);
  let best = { offer: offers[0], quality: 0, specificity: 0, position: 0 };
  for (const offer of offers) {
    const match = bestMatch(ranges, offer);
    if (match === null || match.quality === 0) continue;
    if (
      match.quality > best.quality ||
      (match.quality === best.quality &&
        (match.specificity > best.specificity ||
          (match.specificity === best.specificity && match.position < best.position)))
    ) {
      best = { offer, ...match };
    }
  }
  return best.offer;
}

/** The most specific range that covers the offer decides; of equally specific ones the highest quality. */
function bestMatch(ranges: readonly Range[], offer: string) {
  let match: { quality: number; specificity: number; position: number } | null = null;
  for (const [position, { type, quality }] of ranges.entries()) {
    const specificity = type === offer ? 3 : type === `${offer.split("/")[0]}/*` ? 2 : type === "*/*" ? 1 : 0;
    if (specificity === 0) continue;
    if (
      match === null ||
      specificity > match.specificity ||
      (specificity === match.specificity && quality > match.quality)
    ) {
      match = { quality, specificity, position };
    }
  }
  return match;
}

/** Parameters other than `q` are not looked at; a `q` that is no number from 0 to 1 counts as 0. */
function parseRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  const quality = q === undefined ? 1 : Number(q);
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
