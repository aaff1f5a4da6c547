"use client";

import { useRouter, useSearchParams } from "next/navigation";
import { useEffect, useState } from "react";
import { Form } from "react-aria-components";
import { explain } from "@/api/problem";
import { auth, nextPath, signIn, useSession, wasSessionEnded } from "@/auth/session";
import { Frame } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Field } from "@/ui/Field";
import styles from "./SignInScreen.module.css";

export function SignInScreen() {
  const router = useRouter();
  const next = nextPath(useSearchParams().get("next"));
  const session = useSession();
  const [name, setName] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [isPending, setPending] = useState(false);

  useEffect(() => {
    if (session) router.replace(next);
  }, [session, next, router]);

  async function submit() {
    const user = name.trim();
    if (auth.kind === "local" && !user) {
      setError(text.signIn.nameWrong);
      return;
    }
    setError(null);
    setPending(true);
    try {
      await signIn(user);
    } catch (problem) {
      setError(explain(problem));
    } finally {
      setPending(false);
    }
  }

  return (
    <Frame title={text.signIn.submit}>
      <div className={styles.page}>
        <div className={styles.words}>
          <h1>{text.signIn.title}</h1>
          <p>{text.signIn.lead}</p>
        </div>
        <Form
          className={styles.form!}
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          {wasSessionEnded() && <p role="status">{text.errors.expired}</p>}
          {auth.kind === "local" && (
            <Field
              autoComplete="username"
              autoFocus
              error={error}
              hint={text.signIn.nameHint}
              label={text.signIn.name}
              maxLength={254}
              onChange={(value) => {
                setName(value);
                setError(null);
              }}
              value={name}
            />
          )}
          {auth.kind === "hosted" && error && <p role="alert">{error}</p>}
          <Button isPending={isPending} type="submit" variant="primary">
            {auth.kind === "local" ? text.signIn.submit : text.signIn.hosted}
          </Button>
        </Form>
      </div>
    </Frame>
  );
}
