/**
 * Stream binding: the parts of Node on which `net.Socket` itself stands, for reading and writing without its stream
 * machinery: that costs more than all of our own work on a request (docs/performance.md).
 *
 * None of it is documented, so all that is used is here, its shape is checked before anybody relies on it, and without
 * it everything works by the documented API, only slower (`server.engine: node`). The version of Node is pinned.
 *
 * @see https://github.com/nodejs/node/blob/v24.x/lib/internal/stream_base_commons.js
 */
import type { Server, Socket } from "node:net";
import { getSystemErrorMap, getSystemErrorName } from "node:util";

/** libuv's TCP handle as Node wraps it. Calls return 0 or a negative error number. */
export interface TcpHandle {
  onread: (this: TcpHandle) => Buffer | undefined;
  readStart(): number;
  readStop(): number;
  /** Reads go here from now on; `onread` may return another one. */
  useUserBuffer(buffer: Buffer): void;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Buffer): number;
  writev(request: WriteRequest, parts: readonly unknown[], areAllBuffers: boolean): number;
  shutdown(request: object): number;
  close(): void;
  reset(): number;
  getpeername(out: { address?: string }): number;
  setNoDelay(isOn: boolean): number;
  setKeepAlive(isOn: boolean, idleSeconds: number): number;
}

/** Of one write; told by `oncomplete` when it did not leave at once, and only then. */
export interface WriteRequest {
  oncomplete: (status: number) => void;
}

export interface ListenHandle extends Pick<TcpHandle, "setNoDelay" | "setKeepAlive"> {
  onconnection: (this: ListenHandle, status: number, handle: TcpHandle | undefined) => void;
}

interface StreamWrap {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kBytesWritten: number;
  readonly kLastWriteWasAsync: number;
}

export interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => WriteRequest;
  /** Bytes of the read that is told, or a negative error number. */
  readCount(): number;
  /** Bytes of the last write that have not left, and will later; 0: all have. */
  bytesLeft(): number;
  readonly endOfFile: number;
}

const HANDLE_METHODS = [
  "readStart",
  "readStop",
  "useUserBuffer",
  "writeLatin1String",
  "writeBuffer",
  "writev",
  "shutdown",
  "close",
  "reset",
  "getpeername",
  "setNoDelay",
  "setKeepAlive",
] as const;

/** Where the parts come from, by their names; tests have others. */
export interface InternalParts {
  binding(name: string): unknown;
}

/** Null where this Node is built otherwise, or forbids it. */
export const binding: StreamBinding | null = loadBinding(process as unknown as InternalParts);

export function loadBinding(node: InternalParts): StreamBinding | null {
  try {
    const wrap = node.binding("stream_wrap") as StreamWrap;
    const { TCP } = node.binding("tcp_wrap") as { TCP: { prototype: object } };
    const { WriteWrap, ShutdownWrap, streamBaseState: state } = wrap;
    const { kReadBytesOrError, kBytesWritten, kLastWriteWasAsync } = wrap;
    const endOfFile = [...getSystemErrorMap()].find(([, [name]]) => name === "EOF")?.[0];
    const isComplete =
      [WriteWrap, ShutdownWrap].every((each) => typeof each === "function") &&
      [kReadBytesOrError, kBytesWritten, kLastWriteWasAsync].every((each) => Number.isInteger(each)) &&
      state instanceof Int32Array &&
      HANDLE_METHODS.every((name) => typeof (TCP.prototype as Record<string, unknown>)[name] === "function");
    if (!isComplete || endOfFile === undefined) return null;
    return {
      WriteWrap,
      ShutdownWrap,
      readCount: () => state[kReadBytesOrError] as number,
      bytesLeft: () => (state[kLastWriteWasAsync] === 0 ? 0 : (state[kBytesWritten] as number)),
      endOfFile,
    };
  } catch {
    return null;
  }
}

interface HasHandle {
  _handle?: unknown;
}

/** The handle of an open socket, which is then the caller's alone; null: it has none of the kind. */
export function takeHandle(socket: Socket): TcpHandle | null {
  const holder = socket as HasHandle;
  const handle = holder._handle as TcpHandle | null | undefined;
  if (binding === null || !handle || handle.constructor.name !== "TCP") return null;
  holder._handle = null;
  return handle;
}

/** The handle of a server that listens; null: it is of another kind. */
export function listenHandleOf(server: Server): ListenHandle | null {
  const handle = (server as HasHandle)._handle as ListenHandle | null | undefined;
  return binding !== null && handle?.constructor.name === "TCP" ? handle : null;
}

export function errorOf(call: string, status: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${call} ${code}`), { code, errno: status, syscall: call });
}
