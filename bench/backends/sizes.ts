/** What the backends of the bench answer. */

/** Of `GET /`, and of every upload. */
export const SMALL_BODY = "ok";

/** Answers with a body of a size, by their path. */
export const SIZED_PATHS = { "/64KiB": 64 * 1024, "/1GiB": 2 ** 30 } as const;
