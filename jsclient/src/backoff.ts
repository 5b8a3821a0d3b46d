const first = 500;
const longest = 10_000;

/**
 * How long to wait before the attempt with this number. Number 0 is at once. The waits double up
 * to ten seconds, each cut by up to a half so that many clients do not come back together.
 */
export function backoff(attempt: number, random: () => number): number {
  if (attempt <= 0) return 0;
  return Math.min(first * 2 ** (attempt - 1), longest) * (1 - random() / 2);
}
