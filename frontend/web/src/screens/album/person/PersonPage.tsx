"use client";

import { useMemo, useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useFaces, usePerson, type Edit } from "@/api/people";
import { isStatus } from "@/api/problem";
import type { Cluster } from "@/api/types";
import { AlbumLink } from "@/lib/AlbumLink";
import { personStyle } from "@/people/hue";
import { NameField } from "@/people/NameField";
import { useEditor } from "@/people/useEditor";
import { text } from "@/text/en";
import { Button, IconButton } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { NextPageFailure, readOn } from "@/ui/NextPage";
import { SelectionBar } from "@/ui/SelectionBar";
import { AlsoIn } from "./AlsoIn";
import { FaceGrid } from "./FaceGrid";
import { MoveDialog } from "./MoveDialog";
import styles from "./PersonPage.module.css";
import { PersonPhotos } from "./PersonPhotos";

/** A person of an album; `clusterId` "none": the faces of nobody. */
export function PersonPage({ albumId, clusterId }: { albumId: string; clusterId: string }) {
  if (clusterId === "none") return <Faces albumId={albumId} person={null} />;
  return <KnownPerson albumId={albumId} clusterId={clusterId} />;
}

function BackLink({ albumId }: { albumId: string }) {
  return (
    <AlbumLink albumId={albumId} className={styles.back} place={{ tab: "people" }}>
      ← {text.person.missingBack}
    </AlbumLink>
  );
}

function KnownPerson({ albumId, clusterId }: { albumId: string; clusterId: string }) {
  const person = usePerson(albumId, clusterId);
  const [view, setView] = useState<"faces" | "photos">("faces");
  const [isNaming, setNaming] = useState(false);
  const { apply } = useEditor(albumId);
  if (person.isPending) return <Skeleton shape="people" />;
  if (person.isError && isStatus(person.error, 404, 409)) {
    return (
      <Empty hint={text.person.missingHint} icon="person" title={text.person.missingTitle}>
        <BackLink albumId={albumId} />
      </Empty>
    );
  }
  if (person.isLoadingError) {
    return (
      <>
        <BackLink albumId={albumId} />
        <Failure error={person.error} onRetry={() => void person.refetch()} />
      </>
    );
  }
  const { data } = person;
  const name = data.label ?? text.people.unnamedPerson;
  return (
    <>
      <BackLink albumId={albumId} />
      <div className={styles.head} style={personStyle(data.id)}>
        <img alt="" className={styles.cover} src={data.coverUrl} />
        <div className={styles.about}>
          {isNaming ? (
            <NameField albumId={albumId} onDone={() => setNaming(false)} person={data} />
          ) : (
            <div className={styles.name}>
              <h2>{name}</h2>
              <IconButton
                icon="edit"
                label={text.people.nameOf(data.label)}
                onPress={() => setNaming(true)}
              />
            </div>
          )}
          <p className={styles.soft}>
            {[
              text.common.photos(data.photos),
              text.common.faces(data.size),
              text.people.sure(data.confidence),
              data.hidden && text.people.hiddenBadge,
            ]
              .filter(Boolean)
              .join(" · ")}
          </p>
        </div>
        <Button
          icon="hide"
          onPress={() =>
            void apply(
              [{ kind: "hide", cluster: data.id, hidden: !data.hidden }],
              data.hidden ? text.people.shown(1) : text.people.hidden(1),
            )
          }
        >
          {data.hidden ? text.people.unhide : text.people.hide}
        </Button>
      </div>
      <AlsoIn albumId={albumId} person={data} />
      <ToggleButtonGroup
        aria-label={text.person.views}
        className={styles.views!}
        disallowEmptySelection
        onSelectionChange={([key]) => setView(key === "photos" ? "photos" : "faces")}
        selectedKeys={[view]}
        selectionMode="single"
      >
        <ToggleButton className={styles.view!} id="faces">
          {text.person.faces}
        </ToggleButton>
        <ToggleButton className={styles.view!} id="photos">
          {text.person.photos}
        </ToggleButton>
      </ToggleButtonGroup>
      {view === "faces" ? (
        <Faces albumId={albumId} person={data} />
      ) : (
        <PersonPhotos albumId={albumId} cluster={data.id} total={data.photos} />
      )}
    </>
  );
}

function Faces({ albumId, person }: { albumId: string; person: Cluster | null }) {
  const query = useFaces(albumId, person?.id ?? null);
  const faces = useMemo(() => query.data?.pages.flatMap((page) => page.faces) ?? [], [query.data]);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [isMoving, setMoving] = useState(false);
  const { apply } = useEditor(albumId);
  // Faces that went to somebody else meanwhile are no longer picked.
  const chosen = faces.filter((face) => picked.has(face.id)).map((face) => face.id);

  if (query.isPending) return <Skeleton shape="people" />;
  if (query.isLoadingError) return <Failure error={query.error} onRetry={() => void query.refetch()} />;

  function decide(edits: readonly Edit[], message: string) {
    void apply(edits, message);
    setPicked(new Set());
  }

  const count = chosen.length;
  return (
    <>
      {!person && (
        <>
          <BackLink albumId={albumId} />
          <h2 className={styles.title}>{text.person.unassigned}</h2>
        </>
      )}
      {faces.length === 0 && <Empty icon="person" title={text.lightbox.nobody} />}
      {person && <p className={styles.hint}>{text.person.hint}</p>}
      <FaceGrid
        faces={faces}
        hasMore={query.hasNextPage}
        onMore={() => readOn(query)}
        onPicked={setPicked}
        picked={picked}
      />
      <NextPageFailure query={query} />
      {count > 0 && (
        <SelectionBar label={text.person.selected(count)} onClear={() => setPicked(new Set())}>
          {person && (
            <>
              <Button
                icon="split"
                isDisabled={count >= person.size}
                onPress={() =>
                  decide(
                    [{ kind: "split", cluster: person.id, faces: chosen }],
                    text.person.splitDone(count),
                  )
                }
                size="s"
                variant="primary"
              >
                {text.person.split}
              </Button>
              <Button
                icon="close"
                onPress={() =>
                  decide(
                    chosen.map((face) => ({ kind: "reject", cluster: person.id, face })),
                    text.person.rejected(count),
                  )
                }
                size="s"
              >
                {text.person.reject}
              </Button>
              <Button
                icon="check"
                onPress={() =>
                  decide(
                    [{ kind: "confirm", cluster: person.id, faces: chosen }],
                    text.person.confirmed(count),
                  )
                }
                size="s"
              >
                {text.person.confirm}
              </Button>
            </>
          )}
          <Button icon="person" onPress={() => setMoving(true)} size="s">
            {text.person.move}
          </Button>
        </SelectionBar>
      )}
      {isMoving && (
        <MoveDialog
          albumId={albumId}
          count={count}
          not={person?.id ?? null}
          onClose={() => setMoving(false)}
          onMove={(cluster, name) => {
            decide([{ kind: "move", faces: chosen, cluster }], text.person.moved(count, name));
            setMoving(false);
          }}
        />
      )}
    </>
  );
}
