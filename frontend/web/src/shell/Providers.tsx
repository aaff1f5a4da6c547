"use client";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useEffect, useState, type ReactNode } from "react";
import { I18nProvider, RouterProvider } from "react-aria-components";
import { Problem } from "@/api/problem";
import { useSession } from "@/auth/session";
import { closeUploads } from "@/upload/useUploads";
import { clearToasts, Toasts } from "@/ui/toast";

/** Seconds; longer waits that the server asks for are for a person to decide. */
const LONGEST_WAIT = 10;

function isTemporary(error: unknown): boolean {
  if (!(error instanceof Problem)) return true;
  if ((error.retryAfter ?? 0) > LONGEST_WAIT) return false;
  const isToldWhen = error.status === 429 && error.retryAfter !== null;
  return isToldWhen || error.status === 0 || error.status >= 500;
}

/** Milliseconds before the next of several tries. */
function delay(count: number, error: unknown): number {
  const told = error instanceof Problem ? (error.retryAfter ?? 0) : 0;
  return Math.max(1000 * 2 ** count, 1000 * told);
}

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      // A server on this machine is there without a network too; and where none answers, waiting
      // for the browser to think that there is one would show nothing, for ever.
      mutations: { networkMode: "always" },
      queries: {
        networkMode: "always",
        refetchOnReconnect: true,
        retry: (count, error) => count < 2 && isTemporary(error),
        retryDelay: delay,
        staleTime: 15_000,
      },
    },
  });
}

export function Providers({ children }: { children: ReactNode }) {
  const [client] = useState(newQueryClient);
  const router = useRouter();
  const user = useSession()?.user;
  // What one user has read is not for the next.
  useEffect(
    () => () => {
      client.clear();
      clearToasts();
      closeUploads();
    },
    [client, user],
  );
  return (
    <QueryClientProvider client={client}>
      <I18nProvider locale="en">
        <RouterProvider navigate={(path) => router.push(path)}>{children}</RouterProvider>
      </I18nProvider>
      <Toasts />
    </QueryClientProvider>
  );
}
