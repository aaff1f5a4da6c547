import { Suspense } from "react";
import { SignInScreen } from "@/screens/signin/SignInScreen";

export default function Page() {
  return (
    <Suspense>
      <SignInScreen />
    </Suspense>
  );
}
