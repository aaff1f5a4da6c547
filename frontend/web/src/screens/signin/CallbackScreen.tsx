"use client";

import { useRouter, useSearchParams } from "next/navigation";
import { useEffect, useState } from "react";
import { explain } from "@/api/problem";
import { SignInError } from "@/auth/adapter";
import { completeSignIn, getSession } from "@/auth/session";
import { Frame } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Empty, Skeleton } from "@/ui/Empty";

/** An answer is good once, and effects may run twice. */
const completing = new Map<string, Promise<string>>();

function complete(query: string): Promise<string> {
  let running = completing.get(query);
  if (!running) {
    running = completeSignIn(new URLSearchParams(query));
    completing.set(query, running);
  }
  return running;
}

/** Where the issuer's sign-in page comes back to. */
export function CallbackScreen() {
  const router = useRouter();
  const query = useSearchParams().toString();
  const [error, setError] = useState<unknown>(null);

  useEffect(() => {
    complete(query).then(
      (next) => router.replace(next),
      // An answer that was taken already, after a reload, say, is no reason to complain.
      (problem: unknown) => (getSession() ? router.replace("/") : setError(problem)),
    );
  }, [query, router]);

  const isOurs = error instanceof SignInError;
  const again = isOurs ? `/signin/?next=${encodeURIComponent(error.next)}` : "/signin/";
  return (
    <Frame title={text.signIn.submit}>
      {error === null ? (
        <Skeleton count={3} shape="rows" />
      ) : (
        <div role="alert">
          <Empty hint={isOurs ? error.message : explain(error)} icon="warning" title={text.signIn.failedTitle}>
            <Button onPress={() => router.replace(again)} variant="primary">
              {text.signIn.again}
            </Button>
          </Empty>
        </div>
      )}
    </Frame>
  );
}
