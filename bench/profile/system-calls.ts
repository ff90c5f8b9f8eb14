/** The table that `strace -c` writes. Pure. */

export interface CallCount {
  readonly name: string;
  readonly calls: number;
}

/** The most frequent first; the line of the total is not among them. */
export function parseSystemCalls(text: string): CallCount[] {
  const counts = [...text.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +([a-z]\w*)$/gm)].map(
    ([, calls = "", name = ""]) => ({ name, calls: Number(calls) }),
  );
  return counts
    .filter(({ name }) => name !== "total")
    .sort((a, b) => b.calls - a.calls || (a.name < b.name ? -1 : 1));
}
