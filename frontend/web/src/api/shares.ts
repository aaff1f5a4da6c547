import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";
import type { components } from "./schema";
import type { Share, ShareFilters } from "./types";

type Schemas = components["schemas"];
export type NewShares = Schemas["NewShares"];

async function readShares(id: string, signal: AbortSignal): Promise<Share[]> {
  const shares: Share[] = [];
  let cursor: string | null = null;
  do {
    const query: { cursor?: string } = cursor ? { cursor } : {};
    const page: Schemas["SharePage"] = await body(
      api.GET("/albums/{id}/shares", { params: { path: { id }, query }, signal }),
    );
    shares.push(...page.shares);
    cursor = page.cursor;
  } while (cursor);
  return shares.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
}

/** The album's shares, the newest first; while mail is on its way it is looked at again. */
export function useShares(id: string) {
  return useQuery({
    queryKey: keys.shares(id),
    queryFn: ({ signal }) => readShares(id, signal),
    refetchInterval: (query) =>
      query.state.data?.some((share) => share.mailState === "pending" && !share.revoked)
        ? 3_000
        : false,
  });
}

/** How many photos a share would hold. */
export function useSharePreview(id: string, clusters: readonly string[], filters: ShareFilters) {
  return useQuery({
    queryKey: [...keys.shares(id), "preview", clusters, filters],
    queryFn: ({ signal }) =>
      body(
        api.POST("/albums/{id}/share/preview", {
          params: { path: { id } },
          body: { clusters: [...clusters], filters },
          signal,
        }),
      ),
    enabled: clusters.length > 0 || filters.onlyAppearing === false,
    placeholderData: (previous) => previous,
  });
}

/** A request that may be sent again: by its key the server knows it, and makes nothing twice. */
export interface SharesRequest {
  readonly key: string;
  readonly shares: NewShares;
}

export function useCreateShares(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ key, shares }: SharesRequest) =>
      body(
        api.POST("/albums/{id}/share", {
          params: { path: { id }, header: { "Idempotency-Key": key } },
          body: shares,
        }),
      ),
    onSuccess: () => void client.invalidateQueries({ queryKey: keys.shares(id) }),
  });
}

export function useRevokeShare(albumId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.DELETE("/shares/{id}", { params: { path: { id } } }),
    onSettled: () => void client.invalidateQueries({ queryKey: keys.shares(albumId) }),
  });
}

export function useResendShare(albumId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => body(api.POST("/shares/{id}/resend", { params: { path: { id } } })),
    onSettled: () => void client.invalidateQueries({ queryKey: keys.shares(albumId) }),
  });
}
