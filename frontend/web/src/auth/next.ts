/** Where to go after signing in: only within this site. */
export function nextPath(value: string | null): string {
  if (!value) return "/";
  try {
    const url = new URL(value, window.location.origin);
    // A path of two slashes would be another site's address.
    const isHere = url.origin === window.location.origin && !url.pathname.startsWith("//");
    return isHere ? url.pathname + url.search : "/";
  } catch {
    return "/";
  }
}
