"use client";

import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { text } from "@/text/en";
import { IconButton } from "@/ui/Button";
import styles from "./Lightbox.module.css";

interface ViewerProps {
  alt: string;
  thumbnail: string | null;
  /** The picture in full; null: the thumbnail is all there is. */
  full: string | null;
  blur: string | null;
  width: number | null;
  height: number | null;
  onPrevious: (() => void) | null;
  onNext: (() => void) | null;
  /** Laid over the picture, positioned in percent of it. */
  children?: ReactNode;
}

/** A picture as large as its place allows: the thumbnail first, then the whole. */
export function Viewer(props: ViewerProps) {
  const stage = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ width: 0, height: 0 });
  const [loaded, setLoaded] = useState<string | null>(null);
  const [broken, setBroken] = useState<string | null>(null);
  const touch = useRef<number | null>(null);

  useLayoutEffect(() => {
    const element = stage.current;
    if (!element) return undefined;
    const measure = () => setPlace({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const ratio = (props.width ?? 4) / (props.height ?? 3);
  const width = Math.min(place.width, place.height * ratio);
  const hasFull = props.full !== null && broken !== props.full;
  return (
    <div
      className={styles.stage}
      onTouchEnd={(event) => {
        const moved = (event.changedTouches[0]?.clientX ?? 0) - (touch.current ?? 0);
        if (touch.current !== null && Math.abs(moved) > 50) {
          (moved < 0 ? props.onNext : props.onPrevious)?.();
        }
        touch.current = null;
      }}
      onTouchStart={(event) => {
        touch.current = event.touches.length === 1 ? (event.touches[0]?.clientX ?? null) : null;
      }}
      ref={stage}
    >
      <div
        className={styles.picture}
        style={{
          width,
          height: width / ratio,
          backgroundImage: props.blur ? `url("${props.blur}")` : undefined,
        }}
      >
        {props.thumbnail && (
          <img alt={hasFull ? "" : props.alt} key={props.thumbnail} src={props.thumbnail} />
        )}
        {hasFull && (
          <img
            alt={props.alt}
            key={props.full}
            onError={() => setBroken(props.full)}
            onLoad={() => setLoaded(props.full)}
            src={props.full ?? undefined}
            style={{ opacity: loaded === props.full ? 1 : 0 }}
          />
        )}
        {props.children}
      </div>
      <div className={styles.previous}>
        <IconButton
          icon="back"
          isDisabled={!props.onPrevious}
          label={text.lightbox.previous}
          onDark
          onPress={() => props.onPrevious?.()}
          size={26}
          tooltip={false}
        />
      </div>
      <div className={styles.next}>
        <IconButton
          icon="next"
          isDisabled={!props.onNext}
          label={text.lightbox.next}
          onDark
          onPress={() => props.onNext?.()}
          size={26}
          tooltip={false}
        />
      </div>
    </div>
  );
}
