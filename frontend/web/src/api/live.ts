import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, body } from "./client";
import { listen, type LiveEvent } from "./events";
import { keys } from "./keys";
import { decidedHere } from "./people";
import type { AlbumStatus, Job } from "./types";

const POLL_WORKING = 2_000;
const POLL_IDLE = 20_000;
const REFRESH_EVERY = 3_000;

/**
 * How far an album is, from the WebSocket; and by asking again and again while there is none.
 *
 * What an event says has changed is read again, at most every few seconds: a job tells of every
 * photo.
 */
export function useLive(albumId: string) {
  const client = useQueryClient();
  const [isLive, setLive] = useState(false);

  useEffect(() => {
    if (!albumId) return undefined;
    let refresh: ReturnType<typeof setTimeout> | undefined;
    const stale = new Set<string>();
    const decisions = new Set<string | undefined>();

    const flush = () => {
      refresh = undefined;
      const kinds = new Set(stale);
      const isElsewhere = [...decisions].some((decision) => !decision || !decidedHere.has(decision));
      stale.clear();
      decisions.clear();
      if (kinds.has("album")) {
        void client.invalidateQueries({ queryKey: keys.album(albumId) });
        return;
      }
      const changed: (readonly string[])[] = [keys.status(albumId)];
      if (kinds.has("photos")) changed.push(keys.photos(albumId), keys.duplicates(albumId));
      if (kinds.has("people")) {
        changed.push(keys.people(albumId), ["album", albumId, "faces"], keys.suggestions(albumId));
        // Photos say whose faces are in them.
        if (isElsewhere) changed.push(keys.photos(albumId), ["photo"]);
      }
      if (kinds.has("shares")) changed.push(keys.shares(albumId));
      for (const queryKey of changed) void client.invalidateQueries({ queryKey });
    };

    const take = (event: LiveEvent) => {
      if (event.kind === "ping") return;
      if (event.kind === "job") {
        const job = event.data as Job;
        if (job.kind === "ingest") {
          client.setQueryData<AlbumStatus>(keys.status(albumId), (status) =>
            status && {
              ...status,
              job,
              progress: job.progress,
              state: job.state === "running" ? "processing" : job.state,
            },
          );
        }
        stale.add(job.state === "running" ? "status" : "album");
      } else {
        stale.add(event.kind);
        if (event.kind === "people") {
          decisions.add((event.data as { decision?: string } | null)?.decision);
        }
      }
      refresh ??= setTimeout(flush, REFRESH_EVERY);
    };

    const stop = listen(albumId, { onEvent: take, onLive: setLive });
    return () => {
      stop();
      clearTimeout(refresh);
    };
  }, [albumId, client]);

  const status = useQuery({
    queryKey: keys.status(albumId),
    queryFn: ({ signal }) =>
      body(api.GET("/albums/{id}/status", { params: { path: { id: albumId } }, signal })),
    enabled: albumId !== "",
    refetchInterval: (query) => {
      if (isLive) return false;
      return query.state.data?.state === "processing" ? POLL_WORKING : POLL_IDLE;
    },
  });

  // Without events, the album's version says that something changed.
  const version = status.data?.version;
  const state = status.data?.state;
  useEffect(() => {
    if (version === undefined || isLive) return;
    for (const queryKey of [keys.photos(albumId), keys.people(albumId)]) {
      void client.invalidateQueries({ queryKey });
    }
  }, [version, state, isLive, albumId, client]);

  return { status, isLive };
}
