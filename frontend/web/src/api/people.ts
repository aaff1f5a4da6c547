import {
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryKey,
} from "@tanstack/react-query";
import { api, body } from "./client";
import { keys } from "./keys";
import type { components } from "./schema";
import type { Cluster, Edited } from "./types";

type Schemas = components["schemas"];

const PAGE = 500;

/** Decisions made here: what they changed is read again already. */
export const decidedHere = new Set<string>();

async function readPeople(id: string, hidden: boolean, signal: AbortSignal): Promise<Cluster[]> {
  const people: Cluster[] = [];
  let cursor: string | null = null;
  do {
    const query = { hidden, faces: 0, limit: PAGE, ...(cursor ? { cursor } : {}) };
    const page: Schemas["ClusterPage"] = await body(
      api.GET("/albums/{id}/clusters", { params: { path: { id }, query }, signal }),
    );
    people.push(...page.clusters);
    cursor = page.cursor;
  } while (cursor);
  return people;
}

/** Everyone in the album, the largest first; or those who are hidden. */
export function usePeople(id: string, hidden = false) {
  return useQuery({
    queryKey: [...keys.people(id), hidden ? "hidden" : "shown"],
    queryFn: ({ signal }) => readPeople(id, hidden, signal),
    placeholderData: (previous) => previous,
  });
}

export function usePerson(id: string, clusterId: string) {
  return useQuery({
    queryKey: keys.person(id, clusterId),
    queryFn: ({ signal }) =>
      body(
        api.GET("/albums/{id}/clusters/{cluster_id}", {
          params: { path: { id, cluster_id: clusterId } },
          signal,
        }),
      ),
  });
}

/** Named people across the albums that are linked, each with where they are. */
export function useLinkedPeople(enabled: boolean) {
  return useQuery({
    queryKey: keys.linkedPeople,
    queryFn: ({ signal }) => body(api.GET("/people", { signal })),
    enabled,
  });
}

/** Faces of a person; without one, the faces of nobody. */
export function useFaces(id: string, clusterId: string | null) {
  return useInfiniteQuery({
    queryKey: keys.faces(id, clusterId),
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) };
      return clusterId === null
        ? body(api.GET("/albums/{id}/faces/unassigned", { params: { path: { id }, query }, signal }))
        : body(
            api.GET("/albums/{id}/clusters/{cluster_id}/faces", {
              params: { path: { id, cluster_id: clusterId }, query },
              signal,
            }),
          );
    },
    getNextPageParam: (page) => page.cursor,
  });
}

/** Names that begin with what was typed, for completion. */
export function useNames(id: string, prefix: string, enabled: boolean) {
  return useQuery({
    queryKey: [...keys.people(id), "names", prefix],
    queryFn: ({ signal }) =>
      body(
        api.GET("/albums/{id}/labels", { params: { path: { id }, query: { prefix } }, signal }),
      ),
    enabled,
    placeholderData: (previous) => previous,
  });
}

export type Edit =
  | { readonly kind: "label"; readonly cluster: string; readonly name: string | null }
  | { readonly kind: "merge"; readonly clusters: readonly string[] }
  | { readonly kind: "split"; readonly cluster: string; readonly faces: readonly string[] }
  | { readonly kind: "confirm"; readonly cluster: string; readonly faces: readonly string[] }
  | { readonly kind: "reject"; readonly cluster: string; readonly face: string }
  | { readonly kind: "move"; readonly faces: readonly string[]; readonly cluster: string | null }
  | { readonly kind: "hide"; readonly cluster: string; readonly hidden: boolean }
  | { readonly kind: "answer"; readonly suggestion: string; readonly accept: boolean }
  | { readonly kind: "undo"; readonly decision: string };

function send(id: string, edit: Edit): Promise<Edited> {
  const at = <Id extends string>(cluster_id: Id) => ({ path: { id, cluster_id } });
  switch (edit.kind) {
    case "label":
      return body(
        api.POST("/albums/{id}/clusters/{cluster_id}/label", {
          params: at(edit.cluster),
          body: { name: edit.name },
        }),
      );
    case "merge":
      return body(
        api.POST("/albums/{id}/clusters/merge", {
          params: { path: { id } },
          body: { clusters: [...edit.clusters] },
        }),
      );
    case "split":
      return body(
        api.POST("/albums/{id}/clusters/{cluster_id}/split", {
          params: at(edit.cluster),
          body: { faces: [...edit.faces] },
        }),
      );
    case "confirm":
      return body(
        api.POST("/albums/{id}/clusters/{cluster_id}/confirm", {
          params: at(edit.cluster),
          body: { faces: [...edit.faces] },
        }),
      );
    case "hide":
      return body(
        api.POST("/albums/{id}/clusters/{cluster_id}/hide", {
          params: at(edit.cluster),
          body: { hidden: edit.hidden },
        }),
      );
    case "reject":
      return body(
        api.POST("/albums/{id}/faces/{face_id}/reject", {
          params: { path: { id, face_id: edit.face } },
          body: { cluster: edit.cluster },
        }),
      );
    case "move":
      return body(
        api.POST("/albums/{id}/faces/move", {
          params: { path: { id } },
          body: { faces: [...edit.faces], cluster: edit.cluster },
        }),
      );
    case "answer":
      return body(
        api.POST("/albums/{id}/suggestions/{suggestion_id}", {
          params: { path: { id, suggestion_id: edit.suggestion } },
          body: { accept: edit.accept },
        }),
      );
    case "undo":
      return body(
        api.POST("/albums/{id}/decisions/{decision_id}/undo", {
          params: { path: { id, decision_id: edit.decision } },
        }),
      );
  }
}

/** Several edits one after the other; what they changed is shown at once and read again. */
export function useEdits(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (edits: readonly Edit[]) => {
      const done: Edited[] = [];
      for (const edit of edits) {
        const edited = await send(id, edit);
        decidedHere.add(edited.decision);
        done.push(edited);
      }
      return done;
    },
    onSuccess: (done) => {
      client.setQueryData<Cluster[]>([...keys.people(id), "shown"], (people) =>
        people && done.reduce(applied, people),
      );
    },
    onSettled: (_done, _error, edits) => {
      const moves = edits.some((edit) => !["label", "hide", "confirm"].includes(edit.kind));
      // A name is of the person alone; reading a large album's photos again would be for nothing.
      const changed: QueryKey[] = moves
        ? [keys.album(id), ["photo"]]
        : [keys.people(id), ["album", id, "faces"], keys.suggestions(id), keys.decisions(id)];
      changed.push(keys.linkedPeople);
      for (const queryKey of changed) void client.invalidateQueries({ queryKey });
    },
  });
}

/** What was decided, the newest first. */
export function useDecisions(id: string) {
  return useInfiniteQuery({
    queryKey: keys.decisions(id),
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) };
      return body(api.GET("/albums/{id}/decisions", { params: { path: { id }, query }, signal }));
    },
    getNextPageParam: (page) => page.cursor,
  });
}

/** The people after an edit, the largest first. */
export function applied(people: readonly Cluster[], edited: Edited): Cluster[] {
  const changed = new Map(edited.clusters.map((cluster) => [cluster.id, cluster]));
  const gone = new Set(edited.removed);
  const kept = people.filter((person) => !gone.has(person.id) && !changed.has(person.id));
  const shown = [...changed.values()].filter((person) => !person.hidden);
  return [...kept, ...shown].sort((a, b) => b.size - a.size);
}
