const paths = {
  add: "M12 5v14M5 12h14",
  albums: "M4 7a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2ZM4 15l4.500-4 4 3.500 3-2.500 4.500 4",
  back: "M15 5l-7 7 7 7",
  boxes: "M8 4H6a2 2 0 0 0-2 2v2M16 4h2a2 2 0 0 1 2 2v2M8 20H6a2 2 0 0 1-2-2v-2M16 20h2a2 2 0 0 0 2-2v-2M9 10h.01M15 10h.01M9.500 14.500c1.500 1.200 3.500 1.200 5 0",
  check: "M5 12.500l4.500 4.500L19 7.500",
  close: "M6 6l12 12M18 6L6 18",
  download: "M12 4v11m0 0l-4.500-4.500M12 15l4.500-4.500M5 19.500h14",
  edit: "M4 20l1-4L16 5l3 3L8 19ZM14 7l3 3",
  fold: "M5 9l7 7 7-7",
  folder: "M3.500 7a2 2 0 0 1 2-2h4l2 2.500h7a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2Z",
  hide: "M4 4l16 16M9.900 5.300A9.600 9.600 0 0 1 12 5c5 0 8.500 4.500 9.500 7a13 13 0 0 1-3 4.200M6.200 7.200A13 13 0 0 0 2.500 12c1 2.500 4.500 7 9.500 7a9.500 9.500 0 0 0 4.500-1.200M10 10a3 3 0 0 0 4 4",
  info: "M12 11v5M12 8h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z",
  mail: "M4 6h16v12H4ZM4 7l8 6 8-6",
  merge: "M6 4v3c0 4 6 4 6 9v4M18 4v3c0 4-6 4-6 9M8.500 17l3.500 3.500 3.500-3.500",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500Z",
  more: "M5.500 12h.01M12 12h.01M18.500 12h.01",
  next: "M9 5l7 7-7 7",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.500l10 6.500-10 6.500Z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.500 20c.8-3.800 4-5.500 7.500-5.500s6.700 1.700 7.500 5.500",
  retry: "M20 11a8 8 0 1 0-2.500 6.500M20 5v6h-6",
  select: "M4 6h9M4 12h6M4 18h9M15 14l2.500 2.500L22 11.500",
  share: "M12 15V4m0 0L8 8m4-4l4 4M6 12H5v8h14v-8h-1",
  split: "M12 20v-5c0-4-6-4-6-9V4M12 15c0-4 6-4 6-9V4M3.500 6.500L6 4l2.500 2.500M15.500 6.500L18 4l2.500 2.500",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400",
  system: "M4 5h16v11H4ZM9 20h6M12 16v4",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  undo: "M8 5L4 9l4 4M4 9h9.500a5.500 5.500 0 0 1 0 11H9",
  warning: "M12 9v4.500M12 17h.01M12 3.500L2.500 20h19Z",
} as const;

export type IconName = keyof typeof paths;

/** A decoration: what it means is always said in words beside it or in a label. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      fill="none"
      height={size}
      stroke="currentColor"
      strokeLinecap="round"
      strokeLinejoin="round"
      strokeWidth={name === "more" ? 3 : 1.8}
      viewBox="0 0 24 24"
      width={size}
    >
      <path d={paths[name]} />
    </svg>
  );
}
