import { Suspense } from "react";
import { CallbackScreen } from "@/screens/signin/CallbackScreen";

export default function Page() {
  return (
    <Suspense>
      <CallbackScreen />
    </Suspense>
  );
}
