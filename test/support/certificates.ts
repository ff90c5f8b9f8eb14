/** Certificates for one test, made with openssl when the test begins and gone with it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestEnd } from "./cleanup.ts";
import { isInstalled, runProgram } from "./program.ts";
import { tempDir } from "./temp-dir.ts";

/** For the `skip` of a test: false, or why not. `.ci/run` installs it, so there it is never skipped. */
export const NEEDS_OPENSSL = isInstalled("openssl") ? false : "needs the Debian package openssl";

/** One certificate and its key: the files, and what is in them. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** Signs one for `commonName`, valid for 127.0.0.1 and localhost. */
  issue(commonName: string, extra?: readonly string[]): Promise<Certificate>;
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A CA of its own. @param name of its certificate. */
export async function makeAuthority(t: TestEnd, name = "test CA"): Promise<Authority> {
  const dir = await tempDir(t, "certificates");
  const ca = await make(dir, 0, ["-subj", `/CN=${name}`]);
  let made = 0;
  return {
    ...ca,
    issue: async (commonName, extra = []) => {
      made += 1;
      const signed = [
        "-CA",
        ca.certFile,
        "-CAkey",
        ca.keyFile,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
      ];
      const names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
      return await make(dir, made, [...signed, ...names, "-utf8", "-subj", `/CN=${commonName}`, ...extra]);
    },
  };
}

async function make(dir: string, number: number, args: readonly string[]): Promise<Certificate> {
  const certFile = join(dir, `${number}.crt`);
  const keyFile = join(dir, `${number}.key`);
  const out = ["-keyout", keyFile, "-out", certFile, "-days", "2"];
  await runProgram("openssl", ["req", "-x509", ...KEY, ...out, ...args], { limitMs: 20_000 });
  return {
    certFile,
    keyFile,
    cert: await readFile(certFile, "utf8"),
    key: await readFile(keyFile, "utf8"),
  };
}
