/**
 * What the demo invites to try, as data: printed as curl lines, and done and checked by the smoke run, so
 * that the two cannot differ.
 */
export interface Urls {
  readonly proxy: string;
  readonly admin: string;
  readonly v1: string;
  readonly v2: string;
  /** v2 is a pool: its second backend. */
  readonly v2b: string;
}

export interface Step {
  readonly says: string;
  readonly method: "GET" | "POST";
  readonly to: keyof Urls;
  readonly path: string;
  readonly body?: object | ((urls: Urls) => object);
  /** Appended to the curl line. */
  readonly pipe?: string;
  /** What the answer must be. */
  readonly expect: { readonly status: number; readonly holds: readonly string[] };
  /** The cool-down may still run: the smoke run asks again until it has passed. */
  readonly isAfterCoolDown?: boolean;
}

const toV2 = { version: "v2" };

export const STEPS: readonly Step[] = [
  {
    says: "Forward a request: v1 answers",
    method: "GET",
    to: "proxy",
    path: "/hello",
    expect: { status: 200, holds: ['"version":"v1"', '"path":"/hello"'] },
  },
  {
    says: "Which version is active?",
    method: "GET",
    to: "proxy",
    path: "/status",
    expect: { status: 200, holds: ["v1"] },
  },
  {
    says: "Switch to v2: every worker probes it first, then all move at once",
    method: "POST",
    to: "proxy",
    path: "/switch",
    body: toV2,
    expect: { status: 200, holds: ["v2"] },
  },
  {
    says: "See that it moved; after a few more of these both backends of v2 have answered",
    method: "GET",
    to: "proxy",
    path: "/hello",
    expect: { status: 200, holds: ['"version":"v2"'] },
  },
  {
    says: "Switch again at once: refused with 429, the cool-down runs (10 s here, 10 min by default)",
    method: "POST",
    to: "proxy",
    path: "/switch",
    body: { version: "v1" },
    expect: { status: 429, holds: ["SWITCH_COOLING_DOWN"] },
  },
  {
    says: "Roll back to v1: no cool-down for that",
    method: "POST",
    to: "admin",
    path: "/rollback",
    body: { reason: "demo" },
    expect: { status: 200, holds: ["v1"] },
  },
  {
    says: "Make one of the two backends of v2 fail: it answers 503 from now on",
    method: "POST",
    to: "v2",
    path: "/_fail?on",
    expect: { status: 200, holds: ['"failing":true'] },
  },
  {
    says: "Switch to v2: refused with 422 and what the probes saw of it (429 while the cool-down runs)",
    method: "POST",
    to: "proxy",
    path: "/switch",
    body: toV2,
    expect: { status: 422, holds: ["GATE_REFUSED"] },
    isAfterCoolDown: true,
  },
  {
    says: "Nothing changed",
    method: "GET",
    to: "proxy",
    path: "/hello",
    expect: { status: 200, holds: ['"version":"v1"'] },
  },
  {
    says: "Take that backend out by hand",
    method: "POST",
    to: "admin",
    path: "/backends",
    body: ({ v2 }) => ({ version: "v2", backend: v2, action: "drain" }),
    expect: { status: 200, holds: ["takes nothing new"] },
  },
  {
    says: "Switch to v2: its other backend is good, so it passes",
    method: "POST",
    to: "proxy",
    path: "/switch",
    body: toV2,
    expect: { status: 200, holds: ["v2"] },
    isAfterCoolDown: true,
  },
  {
    says: "Let that backend answer again",
    method: "POST",
    to: "v2",
    path: "/_fail?off",
    expect: { status: 200, holds: ['"failing":false'] },
  },
  {
    says: "Put it back",
    method: "POST",
    to: "admin",
    path: "/backends",
    body: ({ v2 }) => ({ version: "v2", backend: v2, action: "enable" }),
    expect: { status: 200, holds: ["takes traffic again"] },
  },
  {
    says: "Metrics, for Prometheus",
    method: "GET",
    to: "proxy",
    path: "/metrics",
    pipe: "grep traffic_switching_http_requests_total",
    expect: { status: 200, holds: ["traffic_switching_http_requests_total{"] },
  },
];

export function bodyOf({ body }: Step, urls: Urls): object | undefined {
  return typeof body === "function" ? body(urls) : body;
}

/** Ready to paste into a shell. */
export function curlLine(step: Step, urls: Urls): string {
  const { method, to, path, pipe } = step;
  const body = bodyOf(step, urls);
  const url = `${urls[to]}${path}`;
  return [
    "curl -s",
    ...(method === "GET" ? [] : ["-X", method]),
    ...(body ? ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(body)}'`] : []),
    path.includes("?") ? `'${url}'` : url,
    ...(pipe ? ["|", pipe] : []),
  ].join(" ");
}
