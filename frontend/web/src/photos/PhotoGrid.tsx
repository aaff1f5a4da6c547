"use client";

import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { text } from "@/text/en";
import { Icon } from "@/ui/Icon";
import { justify, ratioOf } from "./justify";
import styles from "./PhotoGrid.module.css";

const GAP = 4;
const OVERSCAN = 3;

export interface GridPhoto {
  readonly id: string;
  readonly label: string;
  readonly src: string | null;
  readonly blur: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly badge?: string | null;
}

interface PhotoGridProps {
  label: string;
  photos: readonly GridPhoto[];
  /** How many there are in all, if that is known; more are asked for with `onMore`. */
  total?: number;
  hasMore?: boolean;
  onMore?: () => void;
  onOpen: (index: number) => void;
  /** Selected ids while selecting; null: pressing a photo opens it. */
  selected?: ReadonlySet<string> | null;
  onSelect?: (id: string) => void;
}

/** Photos in justified rows, of which only those near the window are in the document. */
export function PhotoGrid(props: PhotoGridProps) {
  const { photos, hasMore = false, onMore, selected = null } = props;
  const container = useRef<HTMLDivElement>(null);
  const [{ width, top }, setPlace] = useState({ width: 0, top: 0 });
  const [active, setActive] = useState(0);
  const wantsFocus = useRef(false);

  useLayoutEffect(() => {
    const element = container.current;
    if (!element) return undefined;
    const measure = () => {
      const box = element.getBoundingClientRect();
      const next = { width: Math.floor(box.width), top: Math.round(box.top + window.scrollY) };
      setPlace((place) => (place.width === next.width && place.top === next.top ? place : next));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  const target = width < 560 ? 124 : width < 1000 ? 190 : 230;
  const rows = useMemo(
    () =>
      width === 0
        ? []
        : justify(photos.map((photo) => ratioOf(photo.width, photo.height)), width, target, GAP),
    [photos, width, target],
  );
  const rowOf = (index: number) => rows.findIndex((row) => index >= row.start && index < row.end);
  const current = Math.min(active, photos.length - 1);
  const currentRow = rowOf(current);
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: (index) => (rows[index]?.height ?? target) + GAP,
    overscan: OVERSCAN,
    // What has the focus, or would get it, stays in the document wherever the window is.
    rangeExtractor: (range) => {
      const near = defaultRangeExtractor(range);
      const isNear = currentRow < 0 || near.includes(currentRow);
      return isNear ? near : [...near, currentRow].sort((a, b) => a - b);
    },
    scrollMargin: top,
  });
  useEffect(() => virtualizer.measure(), [rows, virtualizer]);

  const items = virtualizer.getVirtualItems();
  const last = (virtualizer.range?.endIndex ?? 0) + OVERSCAN;
  const nearEnd = last >= rows.length - 6;
  useEffect(() => {
    if (hasMore && nearEnd) onMore?.();
  }, [hasMore, nearEnd, onMore, photos.length]);

  // A photo that was out of sight gets the focus once its row is there.
  useEffect(() => {
    if (!wantsFocus.current) return;
    const cell = container.current?.querySelector<HTMLElement>(`[data-index="${active}"]`);
    if (cell) {
      wantsFocus.current = false;
      cell.focus({ preventScroll: true });
    }
  });

  function move(to: number) {
    const index = Math.max(0, Math.min(photos.length - 1, to));
    wantsFocus.current = true;
    setActive(index);
    virtualizer.scrollToIndex(rowOf(index), { align: "auto" });
  }

  function onKeyDown(event: KeyboardEvent) {
    const row = rows[rowOf(active)];
    if (!row) return;
    const vertical = (step: number) => {
      const next = rows[rowOf(active) + step];
      if (!next) return active;
      const share = (active - row.start) / Math.max(1, row.end - row.start);
      return next.start + Math.floor(share * (next.end - next.start));
    };
    const to: Record<string, () => number> = {
      ArrowRight: () => active + 1,
      ArrowLeft: () => active - 1,
      ArrowDown: () => vertical(1),
      ArrowUp: () => vertical(-1),
      Home: () => 0,
      End: () => photos.length - 1,
    };
    const target = to[event.key];
    if (!target || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    move(target());
  }

  return (
    <div
      aria-label={props.label}
      className={styles.grid}
      onKeyDown={onKeyDown}
      ref={container}
      role="list"
      style={{ height: virtualizer.getTotalSize() }}
    >
      {items.map((item) => {
        const row = rows[item.index];
        if (!row) return null;
        return (
          <div
            className={styles.row}
            key={item.key}
            role="presentation"
            style={{ height: row.height, transform: `translateY(${item.start - top}px)` }}
          >
            {photos.slice(row.start, row.end).map((photo, offset) => {
              const index = row.start + offset;
              return (
                <Cell
                  index={index}
                  isActive={index === current}
                  key={photo.id}
                  onFocus={() => setActive(index)}
                  onPress={() => (selected ? props.onSelect?.(photo.id) : props.onOpen(index))}
                  photo={photo}
                  selected={selected ? selected.has(photo.id) : null}
                  total={props.total ?? (hasMore ? -1 : photos.length)}
                  width={row.height * ratioOf(photo.width, photo.height)}
                />
              );
            })}
          </div>
        );
      })}
    </div>
  );
}

interface CellProps {
  photo: GridPhoto;
  index: number;
  total: number;
  width: number;
  isActive: boolean;
  selected: boolean | null;
  onPress: () => void;
  onFocus: () => void;
}

function Cell({ photo, index, total, width, isActive, selected, onPress, onFocus }: CellProps) {
  const selecting = selected !== null;
  return (
    <div
      aria-posinset={index + 1}
      aria-setsize={total}
      className={styles.cell}
      role="listitem"
      style={{ width }}
    >
      <button
        aria-label={selecting ? text.photos.selectOne(photo.label) : photo.label}
        aria-pressed={selecting ? selected : undefined}
        className={styles.button}
        data-index={index}
        onClick={onPress}
        onFocus={onFocus}
        tabIndex={isActive ? 0 : -1}
        type="button"
      >
        <Picture blur={photo.blur} src={photo.src} />
        {photo.badge && <span className={styles.badge}>{photo.badge}</span>}
        {selecting && (
          <span className={styles.tick} data-on={selected}>
            {selected && <Icon name="check" size={16} />}
          </span>
        )}
      </button>
    </div>
  );
}

/** A picture that comes out of a blur of a few pixels. */
export function Picture({ src, blur }: { src: string | null; blur: string | null }) {
  const [loaded, setLoaded] = useState<string | null>(null);
  return (
    <span
      className={styles.picture}
      style={blur ? { backgroundImage: `url("${blur}")` } : undefined}
    >
      {src && (
        <img
          alt=""
          className={loaded === src ? styles.sharp : styles.coming}
          decoding="async"
          draggable={false}
          onLoad={() => setLoaded(src)}
          ref={(image) => {
            // It may have been there before React was.
            if (image?.complete && image.naturalWidth > 0) setLoaded(src);
          }}
          src={src}
        />
      )}
    </span>
  );
}
