import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";
import type { components } from "./schema";
import type { Job, Photo } from "./types";

type Schemas = components["schemas"];

async function readFailed(id: string, signal: AbortSignal): Promise<Photo[]> {
  const photos: Photo[] = [];
  let cursor: string | null = null;
  do {
    const query = { limit: 500, status: "failed", ...(cursor ? { cursor } : {}) } as const;
    const page: Schemas["PhotoPage"] = await body(
      api.GET("/albums/{id}/photos", { params: { path: { id }, query }, signal }),
    );
    photos.push(...page.photos);
    cursor = page.cursor;
  } while (cursor);
  return photos;
}

export function useFailedPhotos(id: string) {
  return useQuery({
    queryKey: [...keys.photos(id), "failed"],
    queryFn: ({ signal }) => readFailed(id, signal),
  });
}

async function readFailedJobs(id: string, signal: AbortSignal): Promise<Job[]> {
  const jobs: Job[] = [];
  let cursor: string | null = null;
  do {
    const query = { limit: 200, state: "failed", ...(cursor ? { cursor } : {}) } as const;
    const page: Schemas["JobPage"] = await body(
      api.GET("/albums/{id}/jobs", { params: { path: { id }, query }, signal }),
    );
    jobs.push(...page.jobs);
    cursor = page.cursor;
  } while (cursor);
  return jobs;
}

/** Jobs that were given up. */
export function useFailedJobs(id: string) {
  return useQuery({
    queryKey: keys.jobs(id),
    queryFn: ({ signal }) => readFailedJobs(id, signal),
  });
}

export type Retry = { readonly photo: string } | { readonly job: string } | "all photos";

/** Try again what failed. */
export function useRetry(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (what: Retry) => {
      if (what === "all photos") {
        await api.POST("/albums/{id}/photos/retry", { params: { path: { id } } });
      } else if ("photo" in what) {
        await api.POST("/photos/{pid}/retry", { params: { path: { pid: what.photo } } });
      } else {
        await api.POST("/albums/{id}/jobs/{jobId}/retry", {
          params: { path: { id, jobId: what.job } },
        });
      }
    },
    onSettled: () => void client.invalidateQueries({ queryKey: keys.album(id) }),
  });
}
