import { Suspense } from "react";
import { RecipientScreen } from "@/screens/recipient/RecipientScreen";

export default function Page() {
  return (
    <Suspense>
      <RecipientScreen />
    </Suspense>
  );
}
