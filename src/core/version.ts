/**
 * Version: the name of one side of a switch (`v1`, `v2`, `blue`, …), checked once where it enters.
 *
 * A name is used as a config key, a metric label, the content of `.version` and the tail of an
 * environment variable, so it is short and plain.
 */
export type Version = string;

const VERSION_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What a name may look like, for error texts. */
export const VERSION_NAME_RULE = "1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit";

/** Whether `text` can name a version. Says nothing about whether such a version is configured. */
export function isVersionName(text: string): text is Version {
  return VERSION_NAME.test(text);
}
