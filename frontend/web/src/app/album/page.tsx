import { Suspense } from "react";
import { AlbumScreen } from "@/screens/album/AlbumScreen";

export default function Page() {
  return (
    <Suspense>
      <AlbumScreen />
    </Suspense>
  );
}
