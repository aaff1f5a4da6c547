/** Keys of cached answers; invalidating an album's prefix refreshes all of it. */
export const keys = {
  config: ["config"] as const,
  albums: ["albums"] as const,
  album: (id: string) => ["album", id] as const,
  status: (id: string) => ["album", id, "status"] as const,
  photos: (id: string) => ["album", id, "photos"] as const,
  photo: (id: string) => ["photo", id] as const,
  people: (id: string) => ["album", id, "people"] as const,
  person: (id: string, cluster: string) => ["album", id, "people", cluster] as const,
  faces: (id: string, cluster: string | null) => ["album", id, "faces", cluster] as const,
  suggestions: (id: string) => ["album", id, "suggestions"] as const,
  decisions: (id: string) => ["album", id, "decisions"] as const,
  duplicates: (id: string) => ["album", id, "duplicates"] as const,
  shares: (id: string) => ["album", id, "shares"] as const,
  jobs: (id: string) => ["album", id, "jobs"] as const,
  share: (id: string) => ["share", id] as const,
  archive: (id: string) => ["share", id, "archive"] as const,
};
