/**
 * Jitless: zod as it is loaded for the daemon. It would make a function of each object's schema, by `new Function`; a
 * config is read once, and to compile costs more than to read. To be imported before any schema is made.
 */
import { config } from "zod";

config({ jitless: true });
