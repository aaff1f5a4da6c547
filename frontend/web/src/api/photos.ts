import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";
import { isStatus } from "./problem";

const PAGE = 200;

/** The album's photos in the order of their upload, page by page; of one person, if asked for. */
export function usePhotos(id: string, cluster?: string) {
  return useInfiniteQuery({
    queryKey: [...keys.photos(id), cluster ?? "all"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => {
      const query = {
        limit: PAGE,
        ...(cluster ? { cluster } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      };
      return body(api.GET("/albums/{id}/photos", { params: { path: { id }, query }, signal }));
    },
    getNextPageParam: (page) => page.cursor,
  });
}

/** A few photos that stand for the album. */
export function useCoverPhotos(id: string, enabled: boolean) {
  return useQuery({
    queryKey: [...keys.photos(id), "cover"],
    queryFn: ({ signal }) => {
      const query = { limit: 8, duplicates: "hide" } as const;
      return body(api.GET("/albums/{id}/photos", { params: { path: { id }, query }, signal }));
    },
    select: (page) => page.photos.filter((photo) => photo.thumbUrl).slice(0, 4),
    enabled,
  });
}

export function usePhoto(id: string, enabled = true) {
  return useQuery({
    queryKey: keys.photo(id),
    queryFn: ({ signal }) =>
      body(api.GET("/photos/{pid}", { params: { path: { pid: id } }, signal })),
    enabled,
  });
}

export function useDeletePhotos(albumId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (ids: readonly string[]) => {
      for (const pid of ids) {
        try {
          await api.DELETE("/photos/{pid}", { params: { path: { pid } } });
        } catch (error) {
          // Gone already, as was wanted.
          if (!isStatus(error, 404)) throw error;
        }
      }
    },
    onSettled: () => void client.invalidateQueries({ queryKey: keys.album(albumId) }),
  });
}
