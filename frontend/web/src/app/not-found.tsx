import Link from "next/link";
import { Empty } from "@/ui/Empty";
import { text } from "@/text/en";

export default function NotFound() {
  return (
    <main>
      <Empty title={text.notFound.title} hint={text.notFound.hint}>
        <Link href="/">{text.notFound.home}</Link>
      </Empty>
    </main>
  );
}
