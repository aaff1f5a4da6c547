import { text } from "@/text/en";
import { toastDone, toastFailed } from "@/ui/toast";

/** Put a link into the clipboard. */
export async function copyLink(link: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(link);
    toastDone(text.shares.copied);
  } catch (error) {
    toastFailed(error);
  }
}
