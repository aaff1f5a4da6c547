import type { CSSProperties } from "react";

const HUES = [262, 45, 152, 330, 205, 85, 290, 20, 178, 120, 350, 232];

/** A person's colour, the same everywhere: chips, boxes over faces, frames of covers. */
export function personHue(id: string): number {
  let hash = 0;
  for (const char of id) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return HUES[Math.abs(hash) % HUES.length] ?? 0;
}

export function personStyle(id: string | null): CSSProperties {
  const color = id === null ? "oklch(0.8 0 0)" : `oklch(0.74 0.15 ${personHue(id)})`;
  return { "--person": color } as CSSProperties;
}
