/** A case of the bench: what is asked of every contender, and which figures it is about. */
import type { BackendKind } from "../backends/backend-command.ts";
import type { MetricName } from "../result.ts";

export type Load =
  | {
      readonly kind: "http";
      readonly path: string;
      readonly connections: number;
      /** More than 0: a POST with so many bytes. */
      readonly uploadBytes?: number;
      /** Every request says `Connection: close`. */
      readonly isClosing?: boolean;
    }
  | { readonly kind: "ab"; readonly connections: number }
  | {
      readonly kind: "transfer";
      readonly direction: "download" | "upload";
      readonly path: string;
      readonly bytes: number;
    }
  | { readonly kind: "idle"; readonly connections: number }
  | { readonly kind: "websocket"; readonly connections: number; readonly messageBytes: number };

export interface Case {
  readonly name: string;
  readonly about: string;
  /** Of work, in the singular. */
  readonly unit: string;
  readonly headline: MetricName;
  /** Of its table. */
  readonly columns: readonly MetricName[];
  /** Processes or threads of each contender; with more than one nobody is pinned to a core. */
  readonly workers: 1 | 2;
  /** Runs only when it is named, or all are. */
  readonly isLong: boolean;
  readonly backend: BackendKind;
  readonly load: Load;
  /** Of an answer's body. */
  readonly answerBytes: number;
  /** Every request is written to an access log. */
  readonly hasAccessLog: boolean;
}
