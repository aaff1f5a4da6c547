"use client";

import { useLinkedPeople } from "@/api/people";
import type { Cluster } from "@/api/types";
import { AlbumLink } from "@/lib/AlbumLink";
import { text } from "@/text/en";
import styles from "./AlsoIn.module.css";

/** Where else somebody is: in the albums that are linked to this one, under the same name. */
export function AlsoIn({ albumId, person }: { albumId: string; person: Cluster }) {
  const people = useLinkedPeople(person.label !== null).data?.people ?? [];
  const same = people.find((known) => known.albums.some((seen) => seen.cluster === person.id));
  const others = same?.albums.filter((seen) => seen.albumId !== albumId) ?? [];
  if (others.length === 0) return null;
  return (
    <section aria-label={text.person.alsoIn} className={styles.also}>
      <p className={styles.title}>{text.person.alsoIn}</p>
      <ul className={styles.list}>
        {others.map((seen) => (
          <li key={seen.cluster}>
            <AlbumLink
              albumId={seen.albumId}
              className={styles.album}
              place={{ tab: "people", person: seen.cluster }}
            >
              {seen.coverUrl && <img alt="" className={styles.cover} src={seen.coverUrl} />}
              {seen.albumName}
              <span className={styles.soft}>{text.common.photos(seen.photos)}</span>
            </AlbumLink>
          </li>
        ))}
      </ul>
    </section>
  );
}
