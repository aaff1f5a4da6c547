import { Suspense } from "react";
import { AccountScreen } from "@/screens/account/AccountScreen";

export default function Page() {
  return (
    <Suspense>
      <AccountScreen />
    </Suspense>
  );
}
