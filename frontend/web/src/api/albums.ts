import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";
import type { components } from "./schema";
import type { Album } from "./types";

type Schemas = components["schemas"];

async function readAlbums(signal: AbortSignal): Promise<Album[]> {
  const albums: Album[] = [];
  let cursor: string | null = null;
  do {
    const query: { cursor?: string } = cursor ? { cursor } : {};
    const page: Schemas["AlbumPage"] = await body(api.GET("/albums", { params: { query }, signal }));
    albums.push(...page.albums);
    cursor = page.cursor;
  } while (cursor);
  return albums.reverse();
}

/** The user's albums, the newest first. */
export function useAlbums(enabled: boolean) {
  return useQuery({ queryKey: keys.albums, queryFn: ({ signal }) => readAlbums(signal), enabled });
}

export function useAlbum(id: string) {
  return useQuery({
    queryKey: keys.album(id),
    queryFn: ({ signal }) =>
      body(api.GET("/albums/{id}", { params: { path: { id } }, signal })),
  });
}

export interface AlbumSettings {
  readonly name: string;
  readonly keepOriginals: boolean;
  readonly linked: boolean;
}

export function useCreateAlbum() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (settings: AlbumSettings) => body(api.POST("/albums", { body: settings })),
    onSuccess: () => void client.invalidateQueries({ queryKey: keys.albums }),
  });
}

export function useChangeAlbum(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (settings: Partial<AlbumSettings>) =>
      body(api.PATCH("/albums/{id}", { params: { path: { id } }, body: settings })),
    onSuccess: (album) => {
      client.setQueryData(keys.album(id), album);
      void client.invalidateQueries({ queryKey: keys.albums });
    },
  });
}

export function useDeleteAlbum() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.DELETE("/albums/{id}", { params: { path: { id } } }),
    onSuccess: () => void client.invalidateQueries({ queryKey: keys.albums }),
  });
}
