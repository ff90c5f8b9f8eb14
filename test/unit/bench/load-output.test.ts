/** What wrk and ab print is read to the last digit, and what went wrong in a run fails it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAb } from "../../../bench/load/ab-output.ts";
import { assertAnswerBytes, parseWrk, wrkScript } from "../../../bench/load/wrk-output.ts";

const WRK_FIGURES = {
  requests: 141_224,
  us: 3_000_310,
  bytes: 20_477_480,
  connect: 0,
  read: 0,
  write: 0,
  status: 0,
  timeout: 0,
  p50: 443,
  p99: 1_210,
  p999: 9_260,
  longest: 26_640,
};

/** As wrk 4.1 prints it, with the line of our script at the end. */
function wrkOutput(changes: Partial<typeof WRK_FIGURES> = {}): string {
  return `Running 3s test @ http://127.0.0.1:10001/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.35ms  640.05us  26.64ms   92.81%
    Req/Sec    47.31k     2.01k   50.20k    70.00%
  141224 requests in 3.00s, 19.53MB read
Requests/sec:  47069.80
Transfer/sec:      6.51MB
bench-summary ${JSON.stringify({ ...WRK_FIGURES, ...changes })}
`;
}

/** As ab 2.3 prints it. */
function abOutput(
  changes: { failed?: number; not2xx?: number; completed?: number; bytes?: number } = {},
): string {
  const { failed = 0, not2xx = 0, completed = 600_000, bytes = 2 } = changes;
  return `
Server Software:        nginx/1.22.1
Server Hostname:        127.0.0.1
Server Port:            18080

Document Path:          /
Document Length:        ${bytes} bytes

Concurrency Level:      12000
Time taken for tests:   22.640 seconds
Complete requests:      ${completed}
Failed requests:        ${failed}
   (Connect: 0, Receive: 0, Length: ${failed}, Exceptions: 0)
${not2xx > 0 ? `Non-2xx responses:      ${not2xx}\n` : ""}Keep-Alive requests:    600000
Total transferred:      97200000 bytes
HTML transferred:       1200000 bytes
Requests per second:    26501.77 [#/sec] (mean)
Time per request:       452.800 [ms] (mean)

Connection Times (ms)
              min  mean[+/-sd] median   max
Connect:        0    3  42.1      0    1040
Total:         10  447  83.1    438    1508

Percentage of the requests served within a certain time (ms)
  50%    438
  66%    451
  95%    520
  98%    602
  99%    733
 100%   1508 (longest request)
`;
}

test("wrk's figures come in seconds and milliseconds", () => {
  assert.deepEqual(parseWrk(wrkOutput()), {
    requests: 141_224,
    seconds: 3.00031,
    bytes: 20_477_480,
    latency: { p50Ms: 0.443, p99Ms: 1.21, p999Ms: 9.26, longestMs: 26.64 },
  });
});

for (const error of ["connect", "read", "write", "status", "timeout"] as const) {
  test(`a run of wrk with a ${error} error fails, and says how many there were`, () => {
    assert.throws(() => parseWrk(wrkOutput({ [error]: 3 })), new RegExp(`wrk saw errors: ${error} 3`));
  });
}

test("a run of wrk without one answer, or without its figures, fails", () => {
  assert.throws(() => parseWrk(wrkOutput({ requests: 0 })), /not one answer/);
  assert.throws(() => parseWrk("unable to connect to 127.0.0.1:1"), /did not tell its figures/);
});

test("answers of another length than expected fail a run of wrk", () => {
  const summary = parseWrk(wrkOutput());
  assertAnswerBytes(summary, 2, 64);
  assert.throws(() => assertAnswerBytes(summary, 64 * 1024, 64), /should have 65536 each/);
  const long = parseWrk(wrkOutput({ bytes: 141_224 * 65_536 }));
  assert.throws(() => assertAnswerBytes(long, 2, 64), /should have 2 each/);
});

test("wrk's script asks for what the case says and no more", () => {
  const plain = wrkScript({ uploadBytes: 0, isClosing: false });
  assert.doesNotMatch(plain, /wrk\.method|wrk\.headers/);
  const upload = wrkScript({ uploadBytes: 16_384, isClosing: true });
  assert.match(upload, /wrk\.method = "POST"\nwrk\.body = string\.rep\("x", 16384\)/);
  assert.match(upload, /wrk\.headers\["Connection"\] = "close"/);
});

test("ab's figures are read, the longest request too", () => {
  assert.deepEqual(parseAb(abOutput(), { requests: 600_000, answerBytes: 2 }), {
    requests: 600_000,
    seconds: 22.64,
    latency: { p50Ms: 438, p99Ms: 733, longestMs: 1_508 },
  });
});

for (const [what, output, message] of [
  ["a failed request", abOutput({ failed: 1 }), /1 failed requests/],
  ["an answer that is not 2xx", abOutput({ not2xx: 7 }), /7 answers not 2xx/],
  ["a request that was never answered", abOutput({ completed: 599_999 }), /completed 599999 of 600000/],
  ["answers of another length", abOutput({ bytes: 170 }), /answers of 170 bytes, which should have 2/],
  ["no figures", "apr_socket_recv: Connection reset by peer (104)", /did not tell/],
] as const) {
  test(`a run of ab with ${what} fails`, () => {
    assert.throws(() => parseAb(output, { requests: 600_000, answerBytes: 2 }), message);
  });
}
