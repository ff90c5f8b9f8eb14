/**
 * Pool schema: every key of a version in its long form, with its limits and its default.
 *
 * Pure. The short form, a URL alone, is a pool of that one target with every section as it is by default.
 */
import { z } from "zod";
import { checkPool } from "./pool-rules.ts";
import {
  balanceKeyOrNull,
  balancer,
  cookieName,
  isCookieSecret,
  SECRET_RULE,
  urlOrMap,
} from "./pool-values.ts";
import { probeShape } from "./probe-schema.ts";
import { file, leavesOf, section, sectionOrNull, time } from "./section.ts";
import {
  backendUrl,
  durationOrNull,
  flag,
  oneOf,
  optionalText,
  ratio,
  ratioAboveZero,
  wholeNumber,
  wholeNumberOrNull,
  wholeNumberOrUnlimited,
} from "./values.ts";

const URL_EXAMPLE = '"http://10.0.0.1:9000"';
const TARGETS = `a list of URLs, or of maps with url, such as [ ${URL_EXAMPLE} ]`;

const target = z.strictObject({
  url: backendUrl(),
  weight: wholeNumber(0, 1_000).prefault(1),
  resolve: oneOf(["name", "all"]).prefault("name"),
  resolve_every: time("1s").prefault("10s"),
});

const targets = z.array(
  urlOrMap(target, {
    expected: `a URL such as ${URL_EXAMPLE}, or a map with url`,
    mapOf: (url) => ({ url }),
    hint: "a target is one backend; take the inner brackets away",
  }),
  { error: TARGETS },
);

/** Read by its own rules, so that they see the whole version, whatever is wrong with others. */
const pool = z
  .strictObject({
    targets,
    balance: section({
      algorithm: balancer().prefault("round-robin"),
      key: balanceKeyOrNull().prefault(null),
    }),
    health: sectionOrNull({
      ...probeShape("health", "/health"),
      interval: time("100ms").prefault("5s"),
      unhealthy_after: wholeNumber(1, 100).prefault(3),
      healthy_after: wholeNumber(1, 100).prefault(2),
    }),
    outlier: sectionOrNull({
      window: wholeNumber(1, 10_000).prefault(100),
      error_ratio: ratioAboveZero().prefault(0.5),
      min_requests: wholeNumber(1, 10_000).prefault(20),
      eject_for: time().prefault("30s"),
      max_ejected_ratio: ratio().prefault(0.5),
      degraded_ratio: ratioAboveZero().prefault(0.3),
    }),
    breaker: sectionOrNull({
      window: wholeNumber(1, 10_000).prefault(100),
      error_ratio: ratioAboveZero().prefault(0.5),
      min_requests: wholeNumber(1, 10_000).prefault(20),
      consecutive_failures: wholeNumber(1, 10_000).prefault(5),
      open_for: time().prefault("10s"),
      half_open_requests: wholeNumber(1, 1_000).prefault(3),
    }),
    limits: section({
      max_in_flight: wholeNumberOrUnlimited(1, 1_000_000).prefault("unlimited"),
      max_queue: wholeNumberOrNull(0, 1_000_000).prefault(null),
      max_connections: wholeNumberOrNull(1, 1_000_000).prefault(null),
      max_retries: wholeNumberOrUnlimited(0, 1_000_000).prefault("unlimited"),
    }),
    slow_start: time("0s").prefault("0s"),
    ready_ratio: ratioAboveZero().prefault(1),
    when_all_unhealthy: oneOf(["use-all", "refuse"]).prefault("use-all"),
    sticky: sectionOrNull({
      cookie: cookieName().prefault("ts_backend"),
      secret: optionalText(`${SECRET_RULE}, or null`, isCookieSecret).prefault(null),
      secret_file: file(),
      max_age: durationOrNull("1s", "9600h").prefault(null), // 400 days: browsers keep none for longer
      secure: flag().prefault(false),
      same_site: oneOf(["lax", "strict", "none"]).prefault("lax"),
    }),
  })
  .superRefine(checkPool, { when: () => true });

/** The checked keys of one version, named as in the file. */
export type PoolSettings = z.output<typeof pool>;

/** A version's value: its URL, or its pool. */
export const versionSettings = () =>
  urlOrMap(pool, {
    expected: `a URL such as ${URL_EXAMPLE}, or a map with targets`,
    mapOf: (url) => ({ targets: [url] }),
    hint: `write targets in front of the list: { targets: [ ${URL_EXAMPLE} ] }`,
  });

/** Every key of a version that takes a value (`health.path`, `targets[].url`), in order. */
export const POOL_KEY_PATHS: readonly string[] = leavesOf(pool).flatMap((path) =>
  path === "targets" ? leavesOf(target).map((key) => `targets[].${key}`) : [path],
);
