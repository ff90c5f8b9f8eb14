/** Loopback addresses for clients, one for each case: a proxy that stamps them tells the cases apart. Linux only. */

const BLOCKS = 254;
const BLOCK_SIZE = 2 ** 16;

/** 127.1.0.0 to 127.254.255.255, over and over. */
export function addressOf(number: number): string {
  const wrapped = ((number % (BLOCKS * BLOCK_SIZE)) + BLOCKS * BLOCK_SIZE) % (BLOCKS * BLOCK_SIZE);
  const [high, low] = [Math.floor(wrapped / BLOCK_SIZE), wrapped % BLOCK_SIZE];
  return `127.${1 + high}.${low >> 8}.${low & 255}`;
}
