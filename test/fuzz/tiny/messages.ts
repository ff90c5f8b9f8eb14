/** What the tiny proxy writes: messages made anew from what was read, framed by itself. Pure. */
import type { AnswerHead, AnswerMessage } from "../reference/answers.ts";
import { type Field, listOf, valuesOf } from "../reference/cursor.ts";
import { originForm, type RequestMessage } from "../reference/requests.ts";

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "content-length",
  "upgrade",
  "host",
]);

export function requestText(request: RequestMessage, address: string): string {
  const { path, authority } = originForm(request);
  const host = authority ?? valuesOf(request.fields, "host")[0] ?? "";
  const xff = [...valuesOf(request.fields, "x-forwarded-for"), address].join(", ");
  const fields = passed(request.fields).filter(({ name }) => name.toLowerCase() !== "x-forwarded-for");
  const lines = [
    `${request.method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    ...fields.map(lineOf),
    `X-Forwarded-For: ${xff}`,
  ];
  return `${lines.join("\r\n")}\r\n${content(request)}`;
}

export function answerText(answer: AnswerMessage, { method, version, isLast }: RequestMessage): string {
  const headOf = ({ status, reason, fields }: AnswerHead): string =>
    [`HTTP/1.1 ${status} ${reason}`, ...passed(fields).map(lineOf), ""].join("\r\n");
  const interim = version === "1.0" ? [] : answer.interim.map((head) => `${headOf(head)}\r\n`);
  const isBodiless = method === "HEAD" || answer.status === 204 || answer.status === 304;
  const close = isLast ? "Connection: close\r\n" : "";
  const trailers = version === "1.0" ? [] : answer.trailers;
  return `${interim.join("")}${headOf(answer)}${close}${isBodiless ? "\r\n" : content({ ...answer, framing: "length", trailers })}`;
}

/** The fields that frame it, the empty line, the body. */
function content(message: Pick<RequestMessage, "framing" | "body" | "trailers">): string {
  const { framing, body, trailers } = message;
  if (framing === "none") return "\r\n";
  if (trailers.length === 0) return `Content-Length: ${body.length}\r\n\r\n${body}`;
  const chunk = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
  return `Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n${trailers.map((field) => `${lineOf(field)}\r\n`).join("")}\r\n`;
}

/** Of the proxy's own. */
export function failure({ isLast }: RequestMessage, status: string): string {
  return `HTTP/1.1 ${status}\r\nContent-Length: 0\r\n${isLast ? "Connection: close\r\n" : ""}\r\n`;
}

function passed(fields: readonly Field[]): Field[] {
  const named = new Set(listOf(fields, "connection"));
  return fields.filter(({ name }) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase()));
}

function lineOf({ name, value }: Field): string {
  return `${name}: ${value}`;
}
