/** The section of docs/conformance.md about the codec and llhttp, made of the list of differences itself. Pure. */
import { DIFFERENCES } from "./differences.ts";
import { EARLY_ENDS, LATE_ENDS } from "./end-differences.ts";

export function codecSection(): string {
  const differences = DIFFERENCES.map(({ takes, why, source }) => `- ${takes} (${source}): ${why}`);
  const early = EARLY_ENDS.map(({ behind, why, source }) => `- ${behind} (${source}): ${why}`);
  const late = LATE_ENDS.map(({ behind, why, source }) => `- ${behind} (${source}): ${why}`);
  return `## The parser and llhttp

\`npm run fuzz:codec\` makes up sequences of one to four requests or answers, whole and damaged, and has them read by the
parser (\`src/wire\`) and by llhttp as Node.js has it built in, with its strict defaults. Whatever the parser accepts, llhttp
must accept too: the same method, target, status, version, fields, body and trailers, each message ending at the same
byte, and the connection kept or closed alike. What the parser refuses llhttp may take. Every case, accepted or refused,
is then read again in two pieces cut at every byte, and one byte at a time, with the same result. The connections of a
worker (\`ClientConnection\`, \`BackendConnection\`) must read the same, whole, byte by byte and cut in two, over a transport in
memory whose buffer is overwritten after each read. \`npm run test:fuzz\` does all this for some seconds, and shows that each
of the flaws in \`test/fuzz/codec/flaws.ts\` is found in a parser or a connection that has it.

The list of what may differ is \`test/fuzz/codec/differences.ts\` and \`end-differences.ts\`. An entry says when it is met; a message that meets one is
rewritten in that respect alone, and then both must agree on all of it. A test holds that each is still needed.

The parser takes, and llhttp refuses or reads otherwise:

${differences.join("\n")}

The parser closes the connection, and llhttp would keep it, behind:

${early.join("\n")}

The parser reads on, and llhttp would close the connection, behind:

${late.join("\n")}
`;
}
