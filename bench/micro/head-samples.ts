/**
 * Heads as they come in life, for heads.ts. Of each sort there are many, which differ where they do in life: a head
 * that is the same every time is only that of a load driver, and of a backend within one second.
 */

const VARIANTS = 256;

export interface Sample {
  readonly name: string;
  readonly heads: readonly Buffer[];
}

function sample(name: string, linesOf: (i: number) => readonly string[]): Sample {
  const heads = Array.from({ length: VARIANTS }, (_, i) =>
    Buffer.from(`${linesOf(i).join("\r\n")}\r\n\r\n`, "latin1"),
  );
  return { name, heads };
}

/** What looks like an identifier, another one for each head. */
function idOf(i: number): string {
  return Math.imul(i + 1, 0x9e3779b1)
    .toString(16)
    .replace("-", "f")
    .padStart(8, "0");
}

const second = (i: number): string => String(i % 60).padStart(2, "0");

export const REQUESTS: readonly Sample[] = [
  sample("request, wrk", () => ["GET / HTTP/1.1", "Host: 127.0.0.1:8080"]),
  sample("request, curl", (i) => [
    `GET /api/items/${i} HTTP/1.1`,
    "Host: example.test:8080",
    "User-Agent: curl/7.88.1",
    "Accept: */*",
  ]),
  sample("request, browser", (i) => [
    `GET /shop/articles/${idOf(i)}?page=${i}&sort=price HTTP/1.1`,
    "Host: www.example.test",
    "Connection: keep-alive",
    "Cache-Control: max-age=0",
    'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    `Referer: http://www.example.test/shop/articles/${idOf(i + 7)}`,
    "Accept-Encoding: gzip, deflate",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    `Cookie: session=${idOf(i)}${idOf(i * 3)}${idOf(i * 5)}; theme=dark; _ga=GA1.1.${i}31415.1700000000; consent=all`,
  ]),
  sample("request, POST", (i) => [
    `POST /api/orders/${idOf(i)} HTTP/1.1`,
    "Host: api.example.test",
    "User-Agent: okhttp/4.12.0",
    "Accept: application/json",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${100 + i}`,
    `Authorization: Bearer ${idOf(i)}${idOf(i + 1)}${idOf(i + 2)}${idOf(i + 3)}`,
    `X-Request-Id: ${idOf(i)}-${idOf(i + 9)}`,
    "Accept-Encoding: gzip",
    "Connection: Keep-Alive",
  ]),
];

export const ANSWERS: readonly Sample[] = [
  sample("answer, nginx", () => [
    "HTTP/1.1 200 OK",
    "Server: nginx/1.22.1",
    "Date: Sat, 01 Aug 2026 12:00:00 GMT",
    "Content-Type: text/plain",
    "Content-Length: 2",
    "Connection: keep-alive",
  ]),
  sample("answer, app", (i) => [
    "HTTP/1.1 200 OK",
    "X-Powered-By: Express",
    "Vary: Origin, Accept-Encoding",
    "Access-Control-Allow-Credentials: true",
    "Cache-Control: private, no-cache",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${400 + i}`,
    `ETag: W/"${idOf(i)}-${idOf(i + 1)}"`,
    `Set-Cookie: session=${idOf(i)}${idOf(i * 3)}; Path=/; HttpOnly; SameSite=Lax`,
    `X-Request-Id: ${idOf(i)}-${idOf(i + 9)}`,
    `Date: Sat, 01 Aug 2026 12:00:${second(i)} GMT`,
    "Connection: keep-alive",
    "Keep-Alive: timeout=5",
  ]),
  sample("answer, chunked", (i) => [
    "HTTP/1.1 200 OK",
    "Server: nginx/1.22.1",
    `Date: Sat, 01 Aug 2026 12:00:${second(i)} GMT`,
    "Content-Type: text/html; charset=UTF-8",
    "Transfer-Encoding: chunked",
    "Connection: keep-alive",
    "Vary: Accept-Encoding",
  ]),
];
