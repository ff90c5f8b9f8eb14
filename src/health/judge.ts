/**
 * Judge: whether an answer is what the probe expects, and if not, why, in words for people.
 *
 * Pure; told of the answer as it comes. The first reason counts: status, fields, body, latency. Keeps of the answer
 * the start of its body, and that only when something is looked for in it.
 */

import type { ProbeTerms } from "../config/probe-config.ts";
import type { ExpectedField } from "../config/probe-values.ts";
import { BodyStart } from "./body-start.ts";
import { brief, secretsOf, toldText } from "./told-text.ts";

/** The fields of an answer, as they came. */
export interface AnswerFields {
  readonly count: number;
  name(i: number): string;
  /** Without blanks around it; one character for each byte. */
  value(i: number): string;
}

export interface Verdict {
  readonly ok: boolean;
  readonly saw: string;
}

export class Judge {
  readonly #config: ProbeTerms;
  readonly #body: BodyStart | null;
  #status = 0;
  #missing: string | null = null;

  constructor(config: ProbeTerms) {
    this.#config = config;
    this.#body = config.expectBody === null ? null : new BodyStart();
  }

  /** @param fields are looked at during the call alone. */
  takeHead(status: number, fields: AnswerFields): void {
    this.#status = status;
    const { expectHeaders, headers } = this.#config;
    for (const expected of expectHeaders) {
      const found = valuesOf(fields, expected.name);
      const isThere = expected.value === null ? found.length > 0 : found.includes(expected.value);
      if (isThere) continue;
      this.#missing = describeMissing(expected, found, secretsOf(headers));
      return;
    }
  }

  takePiece(piece: Buffer): void {
    this.#body?.add(piece);
  }

  /** @param latencyMs from the sent request to the end of the answer. */
  verdict(latencyMs: number): Verdict {
    const why = this.#unexpected(latencyMs);
    return { ok: why === null, saw: `${this.#status}${why ?? ""}` };
  }

  #unexpected(latencyMs: number): string | null {
    const { expect, expectBody, maxLatencyMs, headers } = this.#config;
    if (!expect.some(({ from, to }) => this.#status >= from && this.#status <= to)) {
      return `, expected ${describeRanges(expect)}`;
    }
    if (this.#missing !== null) return `, expected the field ${this.#missing}`;
    if (expectBody !== null && this.#body?.includes(expectBody) === false) {
      const found = toldText(this.#body.toString(), secretsOf(headers), '"');
      return `, expected a body with "${brief(expectBody)}", found ${found}`;
    }
    if (maxLatencyMs !== null && latencyMs > maxLatencyMs) {
      return ` after ${Math.ceil(latencyMs)} ms, expected at most ${maxLatencyMs} ms`; // never "500, at most 500"
    }
    return null;
  }
}

function valuesOf(fields: AnswerFields, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < fields.count; i++) {
    const isIt = fields.name(i).length === name.length && fields.name(i).toLowerCase() === name;
    if (isIt) values.push(fields.value(i));
  }
  return values;
}

function describeMissing(
  { name, value }: ExpectedField,
  found: readonly string[],
  secrets: readonly string[],
): string {
  const seen = found.length === 0 ? "none" : toldText(found.join(", "), secrets);
  return `${name}${value === null ? "" : `: ${brief(value)}`}, found ${seen}`;
}

function describeRanges(ranges: ProbeTerms["expect"]): string {
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(",");
}
