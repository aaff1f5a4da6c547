import { Suspense } from "react";
import { AlbumsScreen } from "@/screens/albums/AlbumsScreen";

export default function Page() {
  return (
    <Suspense>
      <AlbumsScreen />
    </Suspense>
  );
}
