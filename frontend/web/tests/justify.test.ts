import { describe, expect, it } from "vitest";
import { justify, ratioOf } from "@/photos/justify";

const random = (seed: number) => () => (seed = (seed * 16807) % 2147483647) / 2147483647;

describe("justify", () => {
  it("puts every picture into one row, in order", () => {
    const next = random(7);
    const ratios = Array.from({ length: 20_000 }, () => 0.5 + 2.5 * next());
    const rows = justify(ratios, 1200, 220, 4);
    expect(rows[0]?.start).toBe(0);
    expect(rows.at(-1)?.end).toBe(ratios.length);
    rows.slice(1).forEach((row, index) => expect(row.start).toBe(rows[index]?.end));
  });

  it("fills the width in all rows but the last", () => {
    const next = random(11);
    const ratios = Array.from({ length: 500 }, () => 0.5 + 2.5 * next());
    for (const row of justify(ratios, 900, 200, 4).slice(0, -1)) {
      const widths = ratios.slice(row.start, row.end).map((ratio) => ratio * row.height);
      const total = widths.reduce((sum, width) => sum + width, 0) + 4 * (widths.length - 1);
      expect(total).toBeCloseTo(900, 6);
    }
  });

  it("does not blow up what is left over", () => {
    expect(justify([1], 1200, 220, 4)).toEqual([{ start: 0, end: 1, height: 220 }]);
    expect(justify([], 1200, 220, 4)).toEqual([]);
  });

  it("bounds extreme shapes", () => {
    expect(ratioOf(10_000, 100)).toBe(3);
    expect(ratioOf(100, 10_000)).toBe(0.5);
    expect(ratioOf(null, null)).toBe(1);
  });
});
