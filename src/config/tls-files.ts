/**
 * The certificate, the key and the client CA of `admin.tls`, read and checked at start.
 *
 * Never shows what a file holds, nor its path: a key may have been written there itself. Whether a certificate
 * has expired is not asked: the clock of this machine may be the one that is wrong.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { readTextFile } from "./text-file.ts";

const MAX_FILE_BYTES = 1024 * 1024; // a bundle of CAs
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The files' texts, in PEM. */
export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | null;
}

export type FoundTls = {
  /** Null when TLS is off or something is wrong with it. */
  readonly texts: TlsTexts | null;
  readonly problems: readonly { readonly path: readonly PropertyKey[]; readonly text: string }[];
};

type FileKey = "cert_file" | "key_file" | "client_ca_file";

/** @param tls the section as it was given, not yet checked. @param folder what relative paths start from. */
export function findTls(tls: unknown, folder: string): FoundTls {
  const problems: { path: readonly PropertyKey[]; text: string }[] = [];
  const refuse = (key: FileKey, text: string) => void problems.push({ path: ["admin", "tls", key], text });
  const read = <T>(key: FileKey, parse: (text: string) => T, expected: string) =>
    readParsed(tls, key, folder, parse, (text) => refuse(key, text), expected);

  const cert = read("cert_file", parseCertificates, "a certificate in PEM (-----BEGIN CERTIFICATE-----)");
  const key = read("key_file", createPrivateKey, "a private key in PEM without a passphrase");
  const ca = read(
    "client_ca_file",
    parseCertificates,
    "CA certificates in PEM (-----BEGIN CERTIFICATE-----)",
  );
  if (cert === null || key === null || problems.length > 0) return { texts: null, problems };

  if (cert.parsed[0]?.checkPrivateKey(key.parsed) !== true) {
    refuse("key_file", "this key does not belong to the (first) certificate of admin.tls.cert_file");
  } else {
    const texts = { cert: cert.text, key: key.text, clientCa: ca?.text ?? null };
    const refusal = refusalOf(texts);
    if (refusal === null) return { texts, problems };
    refuse("cert_file", `TLS cannot be served with these files (${refusal}); make a new key and certificate`);
  }
  return { texts: null, problems };
}

interface Parsed<T> {
  readonly text: string;
  readonly parsed: T;
}

function readParsed<T>(
  tls: unknown,
  key: FileKey,
  folder: string,
  parse: (text: string) => T,
  refuse: (text: string) => void,
  expected: string,
): Parsed<T> | null {
  const name = nameAt(tls, key);
  if (name === null) return null;
  const file = readTextFile(resolve(folder, name), MAX_FILE_BYTES);
  if ("refusal" in file) {
    refuse(`the file ${file.refusal}; a relative path starts from the folder of the config file`);
    return null;
  }
  try {
    return { text: file.text, parsed: parse(file.text) };
  } catch {
    refuse(`the file does not hold ${expected}`); // the cause may quote it
    return null;
  }
}

/** @throws unless each is whole and there is one. */
function parseCertificates(text: string): [X509Certificate, ...X509Certificate[]] {
  const [first = "", ...rest] = text.match(CERTIFICATE) ?? [];
  return [new X509Certificate(first), ...rest.map((block) => new X509Certificate(block))];
}

/** What OpenSSL would say at the first connection, such as "ee key too small"; null when nothing. */
function refusalOf({ cert, key, clientCa }: TlsTexts): string | null {
  try {
    process
      .getBuiltinModule("node:tls")
      .createSecureContext({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) });
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "refused";
  }
}

function nameAt(tls: unknown, key: FileKey): string | null {
  const name = typeof tls === "object" && tls !== null ? (tls as Record<string, unknown>)[key] : null;
  return typeof name === "string" && name.trim() !== "" && !name.includes("\0") ? name : null;
}
