const TYPES: Readonly<Record<string, string>> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
  tif: "image/tiff",
  tiff: "image/tiff",
  bmp: "image/bmp",
  gif: "image/gif",
};

export const ACCEPTED = Object.keys(TYPES).map((extension) => `.${extension}`);

/** The content type of a photo's name; null: no photo. Browsers leave it empty for HEIC. */
export function photoType(name: string): string | null {
  if (name.startsWith(".")) return null;
  const extension = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return TYPES[extension] ?? null;
}
