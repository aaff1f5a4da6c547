import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";
import type { DuplicateGroup } from "./types";

/** Groups of duplicates, page by page. */
export function useDuplicates(id: string) {
  return useInfiniteQuery({
    queryKey: keys.duplicates(id),
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => {
      const query = pageParam ? { cursor: pageParam } : {};
      return body(api.GET("/albums/{id}/duplicates", { params: { path: { id }, query }, signal }));
    },
    getNextPageParam: (page) => page.cursor,
    select: ({ pages }) => joined(pages.flatMap((page) => page.groups)),
  });
}

/** Groups, those that the end of a page cut put together again. */
export function joined(groups: readonly DuplicateGroup[]): DuplicateGroup[] {
  const whole = new Map<string, DuplicateGroup>();
  for (const group of groups) {
    const begun = whole.get(group.keep.id);
    whole.set(group.keep.id, begun ? { ...begun, drop: [...begun.drop, ...group.drop] } : group);
  }
  return [...whole.values()];
}

/** Say which of a group is kept, or that one is no duplicate. */
export function useReview(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ photo, as }: { photo: string; as: "keep" | "separate" }) => {
      const params = { path: { id, pid: photo } };
      return body(
        as === "keep"
          ? api.POST("/albums/{id}/duplicates/{pid}/keep", { params })
          : api.POST("/albums/{id}/duplicates/{pid}/separate", { params }),
      );
    },
    onSettled: () => void client.invalidateQueries({ queryKey: keys.album(id) }),
  });
}
