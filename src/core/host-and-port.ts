/** Where something listens, as it is written in a URL: an IPv6 address stands in brackets. */
export function hostAndPort(host: string, port: number | string): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
