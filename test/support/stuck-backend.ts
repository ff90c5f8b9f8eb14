/**
 * A backend that does not accept: connections to it stay half open until it is let go on.
 *
 * A stopped process whose queue of connections is full; the kernel then answers no further SYN, and a client
 * sends it again after 1 s, 3 s, ….
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { onTestEnd, type TestEnd } from "./cleanup.ts";
import { DEFAULT_LIMIT_MS, withLimit } from "./wait.ts";

const PROGRAM = `
const server = require("node:net").createServer((socket) => {
  socket.on("data", (bytes) => {
    process.stdout.write(bytes);
    socket.write("HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nstuck");
  });
  socket.on("error", () => {});
});
server.listen({ port: Number(process.argv[1]), host: "127.0.0.1", backlog: 1 }, () => process.stdout.write(server.address().port + "\\n"));
`;
/** More than the queue holds, whatever the kernel adds to the backlog. */
const FILLERS = 4;

export interface StuckBackend {
  readonly url: string;
  /** Accepts from now on, and answers `stuck`. */
  goOn(): void;
  /** Everything it was sent. */
  received(): string;
}

/** @param givenPort 0 is any free one. The port is free again when the test has ended. */
export async function startStuckBackend(t: TestEnd, givenPort = 0): Promise<StuckBackend> {
  const args = ["-e", PROGRAM, String(givenPort)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  onTestEnd(t, async () => {
    child.kill("SIGKILL");
    await exited;
  });
  let output = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
  });
  await withLimit(once(child.stdout, "data"), DEFAULT_LIMIT_MS, "the stuck backend to listen");
  const line = output.indexOf("\n") + 1;
  const port = Number(output.slice(0, line));
  child.kill("SIGSTOP");
  const fillers = Array.from({ length: FILLERS }, () =>
    connect(port, "127.0.0.1")
      .on("error", () => {})
      .unref(),
  );
  onTestEnd(t, () => {
    for (const filler of fillers) filler.destroy();
  });
  await Promise.race(fillers.map((filler) => once(filler, "connect")));
  return {
    url: `http://127.0.0.1:${port}`,
    goOn: () => {
      for (const filler of fillers) filler.destroy();
      child.kill("SIGCONT");
    },
    received: () => output.slice(line),
  };
}
