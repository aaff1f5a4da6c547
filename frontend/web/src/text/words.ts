/** Counts and sizes in words. */

export const number = new Intl.NumberFormat("en");
export const plural = (count: number, one: string, many: string) =>
  `${number.format(count)} ${count === 1 ? one : many}`;
export const photos = (count: number) => plural(count, "photo", "photos");
export const people = (count: number) => plural(count, "person", "people");
export const faces = (count: number) => plural(count, "face", "faces");

/** Bytes as people say them. */
export function bytes(count: number): string {
  if (count < 2 ** 20) return `${count && Math.max(1, Math.round(count / 1024))} KB`;
  if (count < 2 ** 30) return `${(count / 2 ** 20).toFixed(1)} MB`;
  return `${(count / 2 ** 30).toFixed(1)} GB`;
}
