"use client";

import Link from "next/link";
import type { ComponentProps } from "react";

/** Part of an album: one of its tabs, or a person; "none": the faces of nobody. */
export interface Place {
  readonly tab?: string;
  readonly person?: string;
}

/** The address of an album, or of a part of it. */
export function albumUrl(albumId: string, { tab, person }: Place = {}): string {
  const query = new URLSearchParams({ id: albumId });
  if (tab && tab !== "photos") query.set("tab", tab);
  if (person) query.set("person", person);
  return `/album/?${query}`;
}

/**
 * Go from one part of the album's page to another.
 *
 * Not by the router, which asks the server for a page that is here already: without a connection
 * it would leave the application, and with it the uploads that wait for one.
 */
export function goTo(url: string): void {
  window.history.pushState(null, "", url);
}

type AlbumLinkProps = Omit<ComponentProps<typeof Link>, "href" | "onNavigate" | "prefetch"> & {
  readonly albumId: string;
  readonly place: Place;
};

/** A link within the album's page; new tabs and windows are the browser's. */
export function AlbumLink({ albumId, place, ...props }: AlbumLinkProps) {
  const href = albumUrl(albumId, place);
  return (
    <Link
      {...props}
      href={href}
      onNavigate={(event) => {
        event.preventDefault();
        goTo(href);
        window.scrollTo(0, 0);
      }}
      prefetch={false}
    />
  );
}
