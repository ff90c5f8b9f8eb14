/**
 * SwitchLog: the little of a logger that this folder needs; a pino logger is one. Holds no code.
 */
export interface SwitchLog {
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
}
