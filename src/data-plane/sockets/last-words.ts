/**
 * Last words: a `net.Socket` that keeps reading after a failed write.
 *
 * A backend that answers before the end of an upload and closes resets what still comes. Its answer is then
 * in our receive buffer, behind the error of the write, and node:net would give the socket up at that error.
 */
import type { Socket } from "node:net";

/** After a failed write: how long the backend's answer, which may have come already, is waited for. */
const LAST_WORDS_MS = 500;

type Done = (error?: Error | null) => void;

export function keepReadingAfterFailedWrite(socket: Socket): void {
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
