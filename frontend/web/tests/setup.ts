import "@testing-library/jest-dom/vitest";
import "fake-indexeddb/auto";
import { cleanup } from "@testing-library/react";
import { useSyncExternalStore } from "react";
import { afterEach, vi } from "vitest";

// What jsdom lacks and every browser has.
class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}
vi.stubGlobal("ResizeObserver", Observer);
vi.stubGlobal("IntersectionObserver", Observer);
vi.stubGlobal("scrollTo", () => undefined);

// As Next does, the address is a state: screens follow when the history is written to or gone back in.
const moved = new EventTarget();
const tell = () => moved.dispatchEvent(new Event("moved"));
if (typeof window !== "undefined") {
  for (const method of ["pushState", "replaceState"] as const) {
    const write = window.history[method].bind(window.history);
    window.history[method] = (...entry) => {
      write(...entry);
      tell();
    };
  }
  window.addEventListener("popstate", tell);
}
function subscribe(listener: () => void) {
  moved.addEventListener("moved", listener);
  return () => moved.removeEventListener("moved", listener);
}

const router = { push: vi.fn(), replace: vi.fn() };
vi.mock("next/navigation", () => ({
  useRouter: () => router,
  useSearchParams: () =>
    new URLSearchParams(useSyncExternalStore(subscribe, () => window.location.search)),
}));

afterEach(() => {
  cleanup();
  globalThis.localStorage?.clear();
  globalThis.sessionStorage?.clear();
});
