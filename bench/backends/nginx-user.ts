/** The line of nginx.conf without which nginx, started by root, runs its workers as a user who may not read our folders. */
export function userLine(): string {
  return process.getuid?.() === 0 ? "user root;" : "";
}
