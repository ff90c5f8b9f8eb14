/**
 * Backend socket: what is put right on a connection before undici sees it.
 *
 * undici gives up a connection at the first failed write, and takes a reset for the regular end of an answer
 * that has no length. Both are wrong for a proxy.
 */
import type { Socket } from "node:net";

/** After a failed write: how long the backend's answer, which may have come already, is waited for. */
const LAST_WORDS_MS = 500;

type Done = (error?: Error | null) => void;

/** @returns the same socket. */
export function prepareBackendSocket<S extends Socket>(socket: S): S {
  socket.on("error", nameReset); // before undici's listener
  keepReadingAfterFailedWrite(socket);
  return socket;
}

/** An answer that ends with the connection is whole after a FIN and broken off after a RST. */
function nameReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = RESET;
}
/** Any name but ECONNRESET. */
const RESET = "EBACKENDRESET";

/**
 * A backend that answers before the end of an upload and closes resets what still comes. Its answer is then
 * in our receive buffer, behind the error of the write: reading goes on, and its end says how the connection ended.
 */
function keepReadingAfterFailedWrite(socket: Socket): void {
  const write = socket._write;
  const writeMany = socket._writev;
  const hold = (error: Error, done: Done): void => {
    const timer = setTimeout(() => done(error), LAST_WORDS_MS);
    socket.once("close", () => clearTimeout(timer));
  };
  socket._write = function (chunk, encoding, done) {
    write.call(this, chunk, encoding, (error) => (error ? hold(error, done) : done()));
  };
  if (writeMany === undefined) return;
  socket._writev = function (chunks, done) {
    writeMany.call(this, chunks, (error) => (error ? hold(error, done) : done()));
  };
}
