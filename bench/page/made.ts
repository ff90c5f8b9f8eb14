/**
 * The made sections of a document: what stands between `<!-- made: NAME -->` and `<!-- end of NAME -->` is made,
 * what stands around them is written by hand and stays. Pure.
 */

/**
 * @param sections by name; every one has its place in the text, once, and the text has places for no other.
 * @throws Error that says which is missing, doubled, unknown or not closed.
 */
export function fill(text: string, sections: Readonly<Record<string, string>>): string {
  for (const [, name = ""] of text.matchAll(/^<!-- made: (.+) -->$/gm)) {
    if (!(name in sections)) throw new Error(`nothing is made for the section ${name}`);
  }
  let filled = text;
  for (const [name, content] of Object.entries(sections)) {
    const [before = "", inside, ...more] = filled.split(`<!-- made: ${name} -->\n`);
    const end = `<!-- end of ${name} -->`;
    const endAt = inside?.indexOf(end) ?? -1;
    if (inside === undefined || more.length > 0 || endAt < 0) {
      throw new Error(`the text needs <!-- made: ${name} --> and, after it, ${end}, each once`);
    }
    const body = content === "" ? "" : `\n${content}\n\n`;
    filled = `${before}<!-- made: ${name} -->\n${body}${inside.slice(endAt)}`;
  }
  return filled;
}

/** The result files that a section of the text links to, in order: those that it was made from. */
export function sourcesIn(text: string, section: string): string[] {
  const [, inside = ""] = text.split(`<!-- made: ${section} -->\n`);
  const [content = ""] = inside.split(`<!-- end of ${section} -->`);
  const links = content.matchAll(/\]\(\.\.\/(bench\/results\/[^)\s]+\.json)\)/g);
  return [...new Set([...links].map(([, file = ""]) => file))];
}
