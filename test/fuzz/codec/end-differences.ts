/** Every way in which the codec keeps or closes a connection otherwise than llhttp: with its reason. Pure. */
import { listItems } from "../../../src/wire/lists.ts";
import type { Example } from "./differences.ts";
import { isEndless205, isRequest, valuesOf } from "./heads.ts";
import type { Message } from "./reading.ts";

/** Where the codec closes a connection that llhttp would keep: what comes behind is read by nobody. */
export interface EndDifference {
  /** Ends the sentence "the codec closes the connection behind …, llhttp does not". */
  readonly behind: string;
  readonly example: Example;
  readonly why: string;
  readonly source: string;
  isMet(message: Message): boolean;
}

export const EARLY_ENDS: readonly EndDifference[] = [
  {
    behind: "a message of HTTP/1.0 with both close and keep-alive",
    example: { kind: "requests", text: "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n" },
    why: "close wins; llhttp looks for keep-alive alone",
    source: "RFC 9112 §9.3",
    isMet: ({ head: { line, fields } }) => {
      const options = listItems(valuesOf(fields, "connection").join().toLowerCase());
      return line.minorVersion === 0 && options.includes("close") && options.includes("keep-alive");
    },
  },
  {
    behind: "an answer of HTTP/1.0 in chunks",
    example: {
      kind: "answers",
      text: "HTTP/1.0 200 x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    },
    why: "HTTP/1.0 has no chunks: its sender may frame otherwise, so what stands behind them is nobody's",
    source: "RFC 9112 §6.1",
    isMet: ({ head: { line, fields } }) =>
      !isRequest(line) && line.minorVersion === 0 && valuesOf(fields, "transfer-encoding").length > 0,
  },
  {
    behind: "a 205 that says no length",
    example: { kind: "answers", text: "HTTP/1.1 205 x\r\n\r\n" },
    why: "should it have sent a body after all, that is not taken for the next answer",
    source: "RFC 9110 §15.3.6",
    isMet: ({ head }) => isEndless205(head),
  },
  {
    behind: "a 101",
    example: { kind: "answers", text: "HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\n" },
    why: "what follows is another protocol: the connection is handed over, or closed when nobody had asked",
    source: "RFC 9110 §15.2.2",
    isMet: ({ head: { line } }) => !isRequest(line) && line.status === 101,
  },
];

/** Where the codec reads on, and llhttp would close the connection. */
export const LATE_ENDS: readonly EndDifference[] = [
  {
    behind: "an interim answer that is of HTTP/1.0 or says close",
    example: { kind: "answers", text: "HTTP/1.1 103 x\r\nConnection: close\r\n\r\nHTTP/1.1 204 x\r\n\r\n" },
    why: "the final answer to the same request is still to come, and says itself whether another may follow",
    source: "RFC 9110 §15.2, RFC 9112 §9.6",
    isMet: ({ head: { line, fields } }) => {
      if (isRequest(line) || line.status >= 200) return false;
      return (
        line.minorVersion === 0 ||
        listItems(valuesOf(fields, "connection").join().toLowerCase()).includes("close")
      );
    },
  },
];
