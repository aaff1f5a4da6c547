import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";

/** What a link gives, page by page. The cookie that unlocking sets goes along by itself. */
export function useShared(id: string) {
  return useInfiniteQuery({
    queryKey: keys.share(id),
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: 200, ...(pageParam ? { cursor: pageParam } : {}) };
      return body(api.GET("/shares/{id}", { params: { path: { id }, query }, signal }));
    },
    getNextPageParam: (page) => page.cursor,
    staleTime: 60_000,
  });
}

export function useUnlock(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (password: string) =>
      body(api.POST("/shares/{id}/unlock", { params: { path: { id } }, body: { password } })),
    onSuccess: () => void client.resetQueries({ queryKey: keys.share(id), exact: true }),
  });
}

/** The ZIP of a share; looked at again while it is being built. */
export function useArchive(id: string, enabled: boolean) {
  return useQuery({
    queryKey: keys.archive(id),
    queryFn: ({ signal }) =>
      body(api.GET("/shares/{id}/archive/status", { params: { path: { id } }, signal })),
    enabled,
    refetchInterval: (query) => (query.state.data?.state === "building" ? 1_000 : false),
  });
}

export function useBuildArchive(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => body(api.POST("/shares/{id}/archive", { params: { path: { id } } })),
    onSuccess: (archive) => client.setQueryData(keys.archive(id), archive),
  });
}
