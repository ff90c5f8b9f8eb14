/** The admin listener over TLS, with and without client certificates. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { after, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { makeAuthority, NEEDS_OPENSSL } from "../../support/certificates.ts";
import { onTestEnd } from "../../support/cleanup.ts";
import { type Reply, type RequestOptions, request } from "../../support/http-client.ts";
import { startPair } from "../../support/pair.ts";
import { runDaemon } from "../../support/proxy.ts";
import { openRaw } from "../../support/raw-client.ts";
import { waitUntil, withLimit } from "../../support/wait.ts";

const OPTIONS = { timeout: 30_000, skip: NEEDS_OPENSSL };
const JSON_TYPE = { "content-type": "application/json" };
type Tls = NonNullable<RequestOptions["tls"]>;

/** A CA for servers and one for clients; a daemon that asks for a client certificate of the role `switch`. */
async function startMutual() {
  const [servers, clients] = [await makeAuthority({ after }), await makeAuthority({ after }, "clients")];
  const own = await servers.issue("admin");
  const deployer = await clients.issue("deployer");
  const tls = {
    cert_file: own.certFile,
    key_file: own.keyFile,
    client_ca_file: clients.certFile,
    client_role: "switch",
  };
  const known: Tls = { ca: servers.cert, cert: deployer.cert, key: deployer.key };
  const pair = await startPair({ after }, { config: { admin: { tls } }, adminVia: { tls: known } });
  return { ...pair, servers, clients, tls, known };
}

const mutual = NEEDS_OPENSSL ? undefined : await startMutual();

function scene(): NonNullable<typeof mutual> {
  assert.ok(mutual !== undefined);
  return mutual;
}

test(
  "a client with a certificate may call without a token, under any Host, and the history names it",
  OPTIONS,
  async () => {
    const { proxy } = scene();
    const headers = { host: "proxy.example" };
    const reply = await proxy.admin("POST", "/switch", { body: { version: "v2" }, headers });
    assert.equal(reply.status, 200, reply.body);
    const { entries } = (await proxy.admin("GET", "/history", { headers })).json() as {
      entries: { actor: string }[];
    };
    assert.equal(entries[0]?.actor, "cert:deployer");
    assert.ok(proxy.output().includes('"actor":"cert:deployer"'));
  },
);

test("its role counts: force is 403 and names the role that is needed", OPTIONS, async () => {
  const { proxy } = scene();
  const body = { version: "v1", force: true, reason: "test" };
  const reply = await proxy.admin("POST", "/switch", { body });
  assert.deepEqual([reply.status, reply.json().code], [403, "FORBIDDEN"]);
  assert.match(String(reply.json().message), /force needs the role admin; cert:deployer has the role switch/);
});

test("a page of another origin is refused in a browser that has the certificate", OPTIONS, async () => {
  const headers = { origin: "https://evil.example" };
  const reply = await scene().proxy.admin("POST", "/switch", { body: { version: "v1" }, headers });
  assert.equal(reply.status, 403, reply.body);
});

test(
  "without a certificate, or with one of another CA, there is no connection: for no call",
  OPTIONS,
  async (t) => {
    const { proxy, servers, known } = scene();
    const stranger = await (await makeAuthority(t, "clients")).issue("deployer");
    const ofTheServer = await servers.issue("deployer");
    const wrong: Tls[] = [
      { ca: known.ca },
      { ca: known.ca, cert: stranger.cert, key: stranger.key },
      { ca: known.ca, cert: ofTheServer.cert, key: ofTheServer.key },
    ];
    for (const tls of wrong) {
      for (const path of ["/status", "/livez", "/readyz"]) {
        await assert.rejects(request(proxy.adminPort, { path, tls }), /alert|ECONNRESET|EPIPE|hang up/);
      }
    }
    assert.equal((await proxy.admin("GET", "/livez")).status, 200, "the right one is still let in");
  },
);

test("a certificate for something else than a client is none", OPTIONS, async () => {
  const { proxy, clients, known } = scene();
  const other = await clients.issue("deployer", ["-addext", "extendedKeyUsage=serverAuth"]);
  const tls = { ca: known.ca, cert: other.cert, key: other.key };
  await assert.rejects(request(proxy.adminPort, { path: "/status", tls }), /alert|ECONNRESET|EPIPE|hang up/);
});

test("a certificate without a common name is told from others by its fingerprint", OPTIONS, async () => {
  const { proxy, clients, known } = scene();
  const nameless = await clients.issue("unused", ["-subj", "/O=team"]);
  const tls = { ca: known.ca, cert: nameless.cert, key: nameless.key };
  const body = { version: "v1", force: true, reason: "test" };
  const reply = await proxy.admin("POST", "/switch", { tls, body });
  const { fingerprint256 } = new X509Certificate(nameless.cert);
  const start = fingerprint256.replaceAll(":", "").slice(0, 16);
  assert.equal(reply.status, 403, reply.body);
  assert.match(reply.body, new RegExp(`; cert:sha256-${start} has the role switch`));
});

test(
  "every call of a kept-alive connection is the certificate's, and so is one of a resumed session",
  OPTIONS,
  async (t) => {
    const { proxy, known } = scene();
    const body = JSON.stringify({ version: "v2", force: true, reason: "test" });
    const call = `POST /switch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    let session: Buffer | undefined;
    for (const isResumed of [false, true]) {
      const socket = connectTls({
        port: proxy.adminPort,
        ...known,
        servername: "localhost",
        maxVersion: "TLSv1.2",
        ...(session ? { session } : {}),
      });
      onTestEnd(t, () => void socket.destroy());
      let text = "";
      socket.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      await withLimit(once(socket, "secureConnect"), 5_000, "the handshake");
      session = socket.getSession();
      assert.equal(socket.isSessionReused(), isResumed);
      socket.write(call + call);
      const count = () => text.split("cert:deployer has the role switch").length - 1;
      // Each answer says it twice, as detail and as message.
      await waitUntil("both answers", () => count() === 4, { limitMs: 5_000, details: () => text });
      socket.destroy();
    }
  },
);

test("plain HTTP on the TLS port gets no HTTP answer, and the connection ends", OPTIONS, async (t) => {
  const { proxy } = scene();
  const client = await openRaw(proxy.adminPort, { t });
  client.send("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await client.waitClosed(5_000);
  assert.ok(!client.unread.includes("HTTP/1.1"));
});

test("TLS 1.1 is refused", OPTIONS, async () => {
  const { proxy, known } = scene();
  const tls = { ...known, minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
  await assert.rejects(request(proxy.adminPort, { path: "/livez", tls }), /protocol|alert|ECONNRESET/i);
});

test(
  "a connection that never finishes its handshake does not keep the daemon from ending",
  OPTIONS,
  async (t) => {
    const { servers, clients } = scene();
    const own = await servers.issue("admin");
    const me = await clients.issue("me");
    const tls = { cert_file: own.certFile, key_file: own.keyFile, client_ca_file: clients.certFile };
    const via = { tls: { ca: servers.cert, cert: me.cert, key: me.key } };
    const pair = await startPair(t, { config: { admin: { tls } }, adminVia: via });
    await openRaw(pair.proxy.adminPort, { t });
    await pair.proxy.stop("SIGTERM", 6_000);
  },
);

test(
  "without client_ca_file TLS only encrypts: token, loopback and Host are judged as before",
  OPTIONS,
  async (t) => {
    const { servers } = scene();
    const own = await servers.issue("admin");
    const tokens = [{ name: "ci", role: "switch", token: "a-token-of-ci" }];
    const admin = { tls: { cert_file: own.certFile, key_file: own.keyFile }, tokens };
    const { proxy } = await startPair(t, { config: { admin }, adminVia: { tls: { ca: servers.cert } } });
    const switchTo = async (headers: Record<string, string>): Promise<Reply> =>
      await proxy.admin("POST", "/switch", { body: { version: "v2" }, headers });
    assert.equal((await switchTo({})).status, 401);
    assert.equal((await proxy.admin("GET", "/status", { headers: { host: "evil.example" } })).status, 401);
    assert.equal((await proxy.admin("GET", "/status")).status, 200);
    const origin = `https://127.0.0.1:${proxy.adminPort}`;
    const reply = await switchTo({ authorization: "Bearer a-token-of-ci", origin });
    assert.equal(reply.status, 200, reply.body);
    const started = await proxy.waitForLog(({ msg }) => msg === "starting");
    assert.equal(started.admin, `https://127.0.0.1:${proxy.adminPort}`);
    const checked = await runDaemon(["check", "--config", proxy.configFile]);
    assert.match(checked.stdout, /admin {4}https:\/\/127\.0\.0\.1:\d+, tokens: token:ci \(switch\)$/m);
  },
);

test(
  "on the traffic port the table's rules count, whatever certificates the admin listener asks for",
  OPTIONS,
  async () => {
    const { proxy } = scene();
    const body = JSON.stringify({ version: "v2" });
    const reply = await request(proxy.port, { method: "POST", path: "/switch", body, headers: JSON_TYPE });
    assert.equal(reply.status, 200, reply.body);
  },
);
