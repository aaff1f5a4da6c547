import { useQuery } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";

/** Pairs who may be one person, those that save most work first. */
export function useSuggestions(id: string) {
  return useQuery({
    queryKey: keys.suggestions(id),
    queryFn: ({ signal }) =>
      body(
        api.GET("/albums/{id}/suggestions", {
          params: { path: { id }, query: { limit: 50 } },
          signal,
        }),
      ),
    placeholderData: (previous) => previous,
  });
}
