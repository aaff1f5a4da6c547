"use client";

import { useSearchParams } from "next/navigation";
import { readOn, type Pages } from "@/ui/NextPage";

/** So many photos before the last one that is here the next page is asked for. */
const AHEAD = 3;

/** An entry of the history that this page made, so that going back stays within it. */
interface Opened {
  readonly opened: true;
}

function here(photo: string | null): string {
  const url = new URL(window.location.href);
  if (photo === null) url.searchParams.delete("photo");
  else url.searchParams.set("photo", photo);
  return url.pathname + url.search;
}

interface OpenPhoto {
  /** Of the photo that is open; null: none is, or it is not (any longer) among these. */
  readonly index: number | null;
  readonly open: (index: number) => void;
  /** Show another one in its place. */
  readonly show: (index: number) => void;
  readonly close: () => void;
}

/**
 * The one photo of a grid that is shown in full.
 *
 * The address names it: the browser's Back closes it, and it stays open when photos before it come
 * or go, or the page is loaded again.
 *
 * @param photos those read so far.
 * @param query the pages that they come from: read on where the open one is near their end.
 */
export function useOpenPhoto(photos: readonly { readonly id: string }[], query: Pages): OpenPhoto {
  const asked = useSearchParams().get("photo");
  const index = asked === null ? -1 : photos.findIndex((photo) => photo.id === asked);

  function go(position: number, how: "pushState" | "replaceState") {
    const photo = photos[position];
    if (!photo) return;
    const state: Opened | null = how === "pushState" || isOpened() ? { opened: true } : null;
    window.history[how](state, "", here(photo.id));
    if (position >= photos.length - AHEAD && query.hasNextPage) readOn(query);
  }

  return {
    index: index < 0 ? null : index,
    open: (position) => go(position, "pushState"),
    show: (position) => go(position, "replaceState"),
    close: () => {
      if (isOpened()) window.history.back();
      else window.history.replaceState(null, "", here(null));
    },
  };
}

function isOpened(): boolean {
  return Boolean((window.history.state as Partial<Opened> | null)?.opened);
}
