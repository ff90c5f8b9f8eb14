/** The few pieces of SVG that the charts are made of: escaped text, numbers of a fixed form. Pure. */

/** XML 1.0 has no way to write these, not even escaped. */
const NOT_IN_XML = /(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu;
const ESCAPED: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** Of the font's size, measured generously on DejaVu Sans, the widest of those that a system may choose. */
const NARROW_EM = 0.62;
const WIDE_EM = 1.05;
const WIDE = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]/u;

/** For text between tags and for attributes in double quotes. */
export function escapeXml(text: string): string {
  return text.replace(NOT_IN_XML, "\ufffd").replace(/[&<>"']/g, (char) => ESCAPED[char] ?? char);
}

/** Two decimals at most, so that the same picture has the same bytes wherever it is made. */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no place in a picture`);
  return `${Math.round(value * 100) / 100 || 0}`;
}

export type Attributes = Readonly<Record<string, string | number>>;

/** @param children text that is already SVG. */
export function element(name: string, attributes: Attributes, children?: string): string {
  const list = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(value)}"`)
    .join("");
  return children === undefined ? `<${name}${list}/>` : `<${name}${list}>${children}</${name}>`;
}

export function textElement(attributes: Attributes, text: string): string {
  return element("text", attributes, escapeXml(text));
}

/** An upper estimate of what the text takes: no font is at hand where this runs. */
export function textWidth(text: string, fontSizePx: number): number {
  let widthEm = 0;
  for (const char of text) widthEm += WIDE.test(char) ? WIDE_EM : NARROW_EM;
  return widthEm * fontSizePx;
}

/** The text, or as much of its beginning as fits with an ellipsis. */
export function fitted(text: string, fontSizePx: number, widthPx: number): string {
  if (textWidth(text, fontSizePx) <= widthPx) return text;
  const chars = [...text];
  while (chars.length > 0 && textWidth(`${chars.join("")}…`, fontSizePx) > widthPx) chars.pop();
  return `${chars.join("").trimEnd()}…`;
}

/** A whole picture on a ground of its own: a page's colours shine through nothing. */
export function picture(
  size: { readonly widthPx: number; readonly heightPx: number },
  text: { readonly title: string; readonly description: string },
  style: string,
  content: readonly string[],
): string {
  const { widthPx, heightPx } = size;
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    width: widthPx,
    height: heightPx,
    viewBox: `0 0 ${coordinate(widthPx)} ${coordinate(heightPx)}`,
    role: "img",
    "aria-labelledby": "title desc",
  };
  const lines = [
    element("title", { id: "title" }, escapeXml(text.title)),
    element("desc", { id: "desc" }, escapeXml(text.description)),
    `<style>\n${style}\n</style>`,
    element("rect", { class: "ground", width: widthPx, height: heightPx, rx: 6 }),
    ...content,
  ];
  return `${element("svg", attributes, `\n${lines.join("\n")}\n`)}\n`;
}
