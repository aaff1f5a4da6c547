/** A row of a justified layout: items `start` up to `end` (exclusive), all `height` pixels high. */
export interface Row {
  readonly start: number;
  readonly end: number;
  readonly height: number;
}

/**
 * Put pictures into rows of equal height that fill the width, as books of photos do.
 *
 * @param ratios width over height of each picture
 * @param width of a row in pixels
 * @param target the height that rows should have, about
 * @param gap between pictures in pixels
 */
export function justify(
  ratios: readonly number[],
  width: number,
  target: number,
  gap: number,
): Row[] {
  const rows: Row[] = [];
  let start = 0;
  let sum = 0;
  const heightOf = (count: number, total: number) => (width - gap * (count - 1)) / total;
  ratios.forEach((ratio, index) => {
    sum += ratio;
    const count = index - start + 1;
    const height = heightOf(count, sum);
    if (height > target) return;
    // The last picture may make the row too low: leaving it out may be nearer to the target.
    const without = count > 1 ? heightOf(count - 1, sum - ratio) : Infinity;
    if (without - target < target - height) {
      rows.push({ start, end: index, height: without });
      start = index;
      sum = ratio;
      const alone = heightOf(1, ratio);
      if (alone <= target) {
        rows.push({ start, end: index + 1, height: alone });
        start = index + 1;
        sum = 0;
      }
    } else {
      rows.push({ start, end: index + 1, height });
      start = index + 1;
      sum = 0;
    }
  });
  if (start < ratios.length) {
    // What is left over does not fill a row: it keeps the usual height.
    rows.push({ start, end: ratios.length, height: Math.min(target, heightOf(ratios.length - start, sum)) });
  }
  return rows;
}

/** Width over height, within bounds, so that a panorama does not make a row of a few pixels. */
export function ratioOf(width: number | null, height: number | null): number {
  if (!width || !height) return 1;
  return Math.min(3, Math.max(0.5, width / height));
}
