"use client";

import Link from "next/link";
import { useEffect, type ReactNode } from "react";
import { signOut, useRequiredSession } from "@/auth/session";
import { text } from "@/text/en";
import { IconButton } from "@/ui/Button";
import { Menu } from "@/ui/Menu";
import { setTheme, useTheme, type Theme } from "./theme";
import styles from "./Shell.module.css";

export function Mark() {
  return (
    <svg aria-hidden="true" className={styles.mark} fill="none" viewBox="0 0 32 32">
      <path
        d="M5 11.500V9.500A4.500 4.500 0 0 1 9.500 5h2M27 11.500V9.500A4.500 4.500 0 0 0 22.500 5h-2M5 20.500v2A4.500 4.500 0 0 0 9.500 27h2M27 20.500v2a4.500 4.500 0 0 1-4.500 4.500h-2"
        stroke="currentColor"
        strokeLinecap="round"
        strokeWidth="2.600"
      />
      <circle className={styles.one} cx="12.700" cy="16" r="4.700" />
      <circle className={styles.two} cx="19.300" cy="16" r="4.700" />
    </svg>
  );
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICON = { system: "system", light: "sun", dark: "moon" } as const;

export function ThemeButton() {
  const theme = useTheme();
  return (
    <IconButton
      icon={ICON[theme]}
      label={`${text.app.theme}: ${text.app.themes[theme]}`}
      onPress={() => setTheme(NEXT[theme])}
    />
  );
}

/** Top bar and main part of every page. */
export function Frame({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · ${text.app.name}`;
  }, [title]);
  return (
    <>
      <a className={styles.skip} href="#main">
        {text.app.skip}
      </a>
      <header className={styles.bar}>
        <Link aria-label={`${text.app.name}: ${text.app.home}`} className={styles.logo} href="/">
          <Mark />
          <span>{text.app.name}</span>
        </Link>
        <div className={styles.actions}>
          <ThemeButton />
          {actions}
        </div>
      </header>
      <main className={styles.main} id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

/** The frame of pages that need a signed-in user. */
export function Shell({ title, children }: { title: string; children: ReactNode }) {
  const session = useRequiredSession();
  if (!session) {
    return (
      <Frame title={title}>
        <p className="visually-hidden" role="status">
          {text.common.loading}
        </p>
      </Frame>
    );
  }
  const account = (
    <Menu
      actions={[
        { id: "account", label: text.app.account, icon: "person", href: "/account/" },
        { id: "out", label: text.app.signOut, icon: "back", run: () => void signOut() },
      ]}
      label={text.app.menu}
    >
      <IconButton icon="person" label={`${text.app.menu}, ${session.name}`} tooltip={false} />
    </Menu>
  );
  return (
    <Frame actions={account} title={title}>
      {children}
    </Frame>
  );
}
