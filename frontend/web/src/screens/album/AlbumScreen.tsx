"use client";

import { useSearchParams } from "next/navigation";
import { useRef, useState, type DragEvent } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useAlbum } from "@/api/albums";
import { useLive } from "@/api/live";
import { isStatus } from "@/api/problem";
import type { Album } from "@/api/types";
import { useSession } from "@/auth/session";
import { albumUrl, goTo } from "@/lib/AlbumLink";
import { AlbumSettingsDialog } from "@/screens/albums/AlbumDialogs";
import { Shell } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button, IconButton } from "@/ui/Button";
import { Empty, Failure, Skeleton } from "@/ui/Empty";
import { toastDone } from "@/ui/toast";
import { fromDrop, fromFiles, type Collected } from "@/upload/collect";
import { ACCEPTED } from "@/upload/kinds";
import { UploadPanel } from "@/upload/UploadPanel";
import { useUploads } from "@/upload/useUploads";
import { DuplicatesTab } from "./duplicates/DuplicatesTab";
import { JobLine } from "./JobLine";
import { PeopleTab } from "./people/PeopleTab";
import { PersonPage } from "./person/PersonPage";
import { PhotosTab } from "./photos/PhotosTab";
import { ProblemsTab } from "./problems/ProblemsTab";
import { SharesTab } from "./shares/SharesTab";
import { ShareDialog } from "./shares/ShareDialog";
import { SuggestionsTab } from "./suggestions/SuggestionsTab";
import styles from "./AlbumScreen.module.css";

const TABS = ["photos", "people", "suggestions", "duplicates", "shares", "problems"] as const;
type TabId = (typeof TABS)[number];

export function AlbumScreen() {
  const id = useSearchParams().get("id") ?? "";
  const session = useSession();
  return (
    <Shell title={text.app.home}>
      {session && id && <LoadedAlbum id={id} key={id} />}
      {session && !id && <Empty title={text.album.missingTitle} />}
    </Shell>
  );
}

function LoadedAlbum({ id }: { id: string }) {
  const album = useAlbum(id);
  if (album.isError && isStatus(album.error, 404, 422)) {
    return <Empty hint={text.notFound.hint} icon="albums" title={text.album.missingTitle} />;
  }
  if (album.isLoadingError) return <Failure error={album.error} onRetry={() => void album.refetch()} />;
  if (!album.data) return <Skeleton shape="photos" />;
  return <AlbumView album={album.data} />;
}

function AlbumView({ album }: { album: Album }) {
  const search = useSearchParams();
  const asked = search.get("tab");
  const person = search.get("person");
  const tab = TABS.find((known) => known === asked) ?? "photos";
  const { status, isLive } = useLive(album.id);
  const uploads = useUploads(album.id);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const [dialog, setDialog] = useState<"settings" | "share" | null>(null);
  const counts = status.data?.counts ?? album.counts;

  function show(next: TabId) {
    goTo(albumUrl(album.id, { tab: next }));
  }

  async function add(collected: Collected) {
    if (collected.ignored > 0) toastDone(text.upload.ignored(collected.ignored));
    await uploads.queue.add(collected.picked);
  }

  function onDrop(event: DragEvent) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setOver(false);
    void fromDrop(event.dataTransfer).then(add);
  }

  const choose = () => files.current?.click();
  const addButtons = (
    <>
      <Button icon="add" onPress={choose} variant="primary">
        {text.upload.files}
      </Button>
      <span className={styles.folder}>
        <Button icon="folder" onPress={() => folder.current?.click()}>
          {text.upload.folder}
        </Button>
      </span>
    </>
  );

  return (
    <div
      onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget as Node) || setOver(false)}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        setOver(true);
      }}
      onDrop={onDrop}
    >
      <div className={styles.head}>
        <div className={styles.title}>
          <h1>{album.name}</h1>
          <IconButton icon="edit" label={text.albums.settings} onPress={() => setDialog("settings")} />
        </div>
        <div className={styles.actions}>
          <Button
            icon="share"
            isDisabled={counts.clusters === 0}
            onPress={() => setDialog("share")}
          >
            {text.album.share}
          </Button>
          {counts.photos > 0 && addButtons}
        </div>
      </div>
      {/* The buttons stand for these; a folder's input has no standard property in React. */}
      <input
        accept={ACCEPTED.join(",")}
        aria-label={text.upload.files}
        className="visually-hidden"
        hidden
        multiple
        onChange={(event) => {
          void add(fromFiles(event.target.files ?? []));
          event.target.value = "";
        }}
        ref={files}
        type="file"
      />
      <input
        aria-label={text.upload.folder}
        hidden
        onChange={(event) => {
          void add(fromFiles(event.target.files ?? []));
          event.target.value = "";
        }}
        ref={(input) => {
          folder.current = input;
          input?.setAttribute("webkitdirectory", "");
        }}
        type="file"
      />
      <JobLine albumId={album.id} isLive={isLive} status={status.data} />
      <Tabs onSelectionChange={(key) => show(key as TabId)} selectedKey={tab}>
        <TabList aria-label={text.album.tabList} className={styles.tabs!}>
          {TABS.map((known) => (
            <Tab className={styles.tab!} id={known} key={known}>
              {text.album.tabs[known]}
              <Count tab={known} counts={counts} />
            </Tab>
          ))}
        </TabList>
        <TabPanel className={styles.panel!} id={tab} key={tab}>
          {tab === "photos" && (
            <PhotosTab addButtons={addButtons} albumId={album.id} total={counts.photos} />
          )}
          {tab === "people" && !person && (
            <PeopleTab albumId={album.id} unassigned={counts.unassigned} />
          )}
          {tab === "people" && person && (
            <PersonPage albumId={album.id} clusterId={person} key={person} />
          )}
          {tab === "suggestions" && <SuggestionsTab albumId={album.id} />}
          {tab === "duplicates" && <DuplicatesTab albumId={album.id} />}
          {tab === "shares" && (
            <SharesTab albumId={album.id} canShare={counts.clusters > 0} onNew={() => setDialog("share")} />
          )}
          {tab === "problems" && <ProblemsTab albumId={album.id} />}
        </TabPanel>
      </Tabs>
      {isOver && (
        <div aria-hidden="true" className={styles.drop}>
          {text.upload.drop}
        </div>
      )}
      <UploadPanel onChoose={choose} uploads={uploads} />
      <AlbumSettingsDialog
        album={{ ...album, counts }}
        isOpen={dialog === "settings"}
        onClose={() => setDialog(null)}
      />
      {dialog === "share" && <ShareDialog albumId={album.id} onClose={() => setDialog(null)} />}
    </div>
  );
}

function Count({ tab, counts }: { tab: TabId; counts: Album["counts"] }) {
  const values: Partial<Record<TabId, number>> = {
    photos: counts.photos,
    people: counts.clusters,
    duplicates: counts.duplicates,
    problems: counts.failed,
  };
  const value = values[tab];
  if (!value) return null;
  return <span className={styles.count}>{value.toLocaleString("en")}</span>;
}
