import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import type { Receipt } from "./types";

export function useAccount(enabled: boolean) {
  return useQuery({
    queryKey: ["me"],
    queryFn: ({ signal }) => body(api.GET("/me", { signal })),
    enabled,
  });
}

/** Let corrections train the models, or not. */
export function useConsent() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (training: boolean) => body(api.PUT("/me/consent", { body: { training } })),
    onSettled: () => client.invalidateQueries({ queryKey: ["me"] }),
  });
}

/** Everything that is kept of the user, as a file. */
export function useExport() {
  return useMutation({
    mutationFn: () => body(api.GET("/me/export", { parseAs: "blob" })),
  });
}

const PAUSE = 1_000;

/** Erase the user; the receipt comes when nothing is left. */
export function useErase() {
  return useMutation({
    mutationFn: async (): Promise<Receipt> => {
      let receipt = await body(api.DELETE("/me"));
      // The receipt needs no account, which is going away meanwhile.
      while (receipt.state === "running") {
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        receipt = await body(api.GET("/receipts/{id}", { params: { path: { id: receipt.id } } }));
      }
      return receipt;
    },
  });
}
