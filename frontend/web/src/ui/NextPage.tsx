"use client";

import { explain } from "@/api/problem";
import { text } from "@/text/en";
import { Button } from "./Button";
import styles from "./NextPage.module.css";

/** What a query of pages tells, as far as it matters here. */
export interface Pages {
  readonly error: unknown;
  readonly hasNextPage: boolean;
  readonly isFetching: boolean;
  readonly isFetchingNextPage: boolean;
  readonly isFetchNextPageError: boolean;
  readonly fetchNextPage: () => Promise<unknown>;
}

/** Ask for the next page; one that failed is asked for again only by a person. */
export function readOn(query: Pages): void {
  if (!query.isFetching && !query.isFetchNextPageError) void query.fetchNextPage();
}

/** What stands under a list whose next page could not be read. */
export function NextPageFailure({ query }: { query: Pages }) {
  if (!query.isFetchNextPageError) return null;
  return (
    <div className={styles.failure} role="alert">
      <p>{explain(query.error)}</p>
      <Button
        icon="retry"
        isPending={query.isFetchingNextPage}
        onPress={() => void query.fetchNextPage()}
        size="s"
      >
        {text.common.retry}
      </Button>
    </div>
  );
}

/** The button under a list that reads on only when asked; why, where that failed. */
export function MoreButton({ query }: { query: Pages }) {
  if (query.isFetchNextPageError) return <NextPageFailure query={query} />;
  if (!query.hasNextPage) return null;
  return (
    <Button isPending={query.isFetchingNextPage} onPress={() => void query.fetchNextPage()}>
      {text.common.more}
    </Button>
  );
}
