/** admin.tls: which files are taken, and what each fault is called. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { withoutSecrets } from "../../../src/config/to-config.ts";
import { makeAuthority, NEEDS_OPENSSL } from "../../support/certificates.ts";
import { tempDir } from "../../support/temp-dir.ts";

const OPTIONS = { skip: NEEDS_OPENSSL };
const SHORT = 'backends: { v1: "http://a:1", v2: "http://b:1" }\nactive_version: v1\n';

const dir = await tempDir({ after }, "tls");
const made = NEEDS_OPENSSL ? undefined : await makeFiles();

async function makeFiles() {
  const ca = await makeAuthority({ after });
  return { ca, own: await ca.issue("own"), other: await ca.issue("other") };
}

function files(): NonNullable<typeof made> {
  assert.ok(made !== undefined);
  return made;
}

function load(tls: Readonly<Record<string, string>>) {
  const file = join(dir, "config.yaml");
  writeFileSync(file, `${SHORT}admin: { tls: ${JSON.stringify(tls)} }\n`);
  return loadConfig({ file, env: {} });
}

function write(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

function refusal(tls: Readonly<Record<string, string>>): string {
  try {
    load(tls);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.exitCode, 2);
    assert.doesNotMatch(error.message, /MI[A-Za-z0-9+/]{8}|PRIVATE/);
    return error.message;
  }
  assert.fail("it was taken");
}

test("a certificate with its chain, its key and a bundle of CAs are taken", OPTIONS, () => {
  const { ca, own, other } = files();
  const chain = write("chain.crt", own.cert + ca.cert);
  const bundle = write("bundle.crt", `# ours\n${ca.cert}\n${other.cert}`);
  const { admin } = load({
    cert_file: chain,
    key_file: own.keyFile,
    client_ca_file: bundle,
    client_role: "read",
  });
  assert.equal(admin.tls?.cert, own.cert + ca.cert);
  assert.equal(admin.tls?.clientRole, "read");
  assert.ok(admin.tls?.clientCa?.includes(ca.cert));
});

test("without keys there is no TLS, and client_role alone turns nothing on", () => {
  assert.equal(load({}).admin.tls, null);
  assert.equal(load({ client_role: "read" }).admin.tls, null);
});

test("what workers get holds no key", OPTIONS, () => {
  const { own } = files();
  const config = load({ cert_file: own.certFile, key_file: own.keyFile });
  assert.match(JSON.stringify(config), /PRIVATE KEY/);
  assert.doesNotMatch(JSON.stringify(withoutSecrets(config)), /PRIVATE KEY/);
});

test("the key of another certificate is refused", OPTIONS, () => {
  const { own, other } = files();
  assert.match(
    refusal({ cert_file: own.certFile, key_file: other.keyFile }),
    /admin\.tls\.key_file \(line 3\): this key does not belong to the \(first\) certificate of admin\.tls\.cert_file/,
  );
});

test("a file that is missing, empty, cut off or of another kind is refused by its key", OPTIONS, () => {
  const { own } = files();
  const cases = [
    ["cert_file", "missing", /the file does not exist/],
    ["cert_file", write("empty", ""), /the file does not hold a certificate in PEM/],
    ["cert_file", own.keyFile, /the file does not hold a certificate in PEM/],
    ["cert_file", write("cut", own.cert.slice(0, 200)), /does not hold a certificate/],
    ["cert_file", dir, /is a folder/],
    ["key_file", own.certFile, /the file does not hold a private key in PEM without a passphrase/],
    ["key_file", write("cut.key", own.key.slice(0, 80)), /does not hold a private key/],
    ["client_ca_file", own.keyFile, /the file does not hold CA certificates in PEM/],
    ["client_ca_file", write("half.crt", `${own.cert}${own.cert.replace("MI", "NI")}`), /does not hold CA/],
  ] as const;
  for (const [key, file, expected] of cases) {
    const told = refusal({ cert_file: own.certFile, key_file: own.keyFile, [key]: file });
    assert.match(told, expected);
    assert.ok(told.includes(`admin.tls.${key} (line 3): `), told);
  }
});

test("a key with a passphrase is refused, and nobody is asked for it", OPTIONS, () => {
  const { own } = files();
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "s3cret" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const told = refusal({ cert_file: own.certFile, key_file: write("locked.key", privateKey) });
  assert.match(
    told,
    /admin\.tls\.key_file \(line 3\): the file does not hold a private key in PEM without a passphrase/,
  );
});

test("all faults of the files come at once", OPTIONS, () => {
  const told = refusal({ cert_file: "a", key_file: "b", client_ca_file: "c" });
  for (const key of ["cert_file", "key_file", "client_ca_file"]) {
    assert.ok(told.includes(`admin.tls.${key} (line 3): the file does not exist`), told);
  }
});
