"use client";

import { useQuery } from "@tanstack/react-query";
import { useRouter, useSearchParams } from "next/navigation";
import { useEffect, useState, type FormEvent } from "react";
import { Form } from "react-aria-components";
import { getConfig } from "@/api/config";
import { keys } from "@/api/keys";
import { explain } from "@/api/problem";
import { hostedAuth } from "@/auth/hosted";
import { nextPath } from "@/auth/next";
import { signIn, useSession, wasSessionEnded } from "@/auth/session";
import { Frame } from "@/shell/Shell";
import { text } from "@/text/en";
import { Button } from "@/ui/Button";
import { Failure, Skeleton } from "@/ui/Empty";
import { Field } from "@/ui/Field";
import styles from "./SignInScreen.module.css";

export function SignInScreen() {
  const router = useRouter();
  const next = nextPath(useSearchParams().get("next"));
  const session = useSession();
  const config = useQuery({ queryKey: keys.config, queryFn: getConfig, staleTime: Infinity });
  const kind = config.data?.signIn.kind;

  useEffect(() => {
    if (session) router.replace(next);
  }, [session, next, router]);

  return (
    <Frame title={text.signIn.submit}>
      <div className={styles.page}>
        <div className={styles.words}>
          <h1>{text.signIn.title}</h1>
          <p>{text.signIn.lead}</p>
        </div>
        <div className={styles.form}>
          {wasSessionEnded() && <p role="status">{text.errors.expired}</p>}
          {config.isPending && <Skeleton count={2} shape="rows" />}
          {config.error && <Failure error={config.error} onRetry={() => void config.refetch()} />}
          {kind === "local" && <NameForm />}
          {kind === "cognito" && <HostedForm next={next} />}
        </div>
      </div>
    </Frame>
  );
}

/** What a form does when it is sent, and how far that is. */
function useSubmit(send: () => Promise<void>) {
  const [error, setError] = useState<string | null>(null);
  const [isPending, setPending] = useState(false);

  async function submit() {
    setError(null);
    setPending(true);
    try {
      await send();
    } catch (problem) {
      setError(explain(problem));
    } finally {
      setPending(false);
    }
  }

  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void submit();
  };
  return { error, setError, isPending, onSubmit };
}

function NameForm() {
  const [name, setName] = useState("");
  const form = useSubmit(async () => {
    const user = name.trim();
    if (user) await signIn(user);
    else form.setError(text.signIn.nameWrong);
  });
  return (
    <Form className={styles.fields!} onSubmit={form.onSubmit}>
      <Field
        autoComplete="username"
        autoFocus
        error={form.error}
        hint={text.signIn.nameHint}
        label={text.signIn.name}
        maxLength={254}
        onChange={(value) => {
          setName(value);
          form.setError(null);
        }}
        value={name}
      />
      <Button isPending={form.isPending} type="submit" variant="primary">
        {text.signIn.submit}
      </Button>
    </Form>
  );
}

function HostedForm({ next }: { next: string }) {
  const form = useSubmit(() => hostedAuth.begin(next));
  return (
    <Form className={styles.fields!} onSubmit={form.onSubmit}>
      <p>{text.signIn.hostedHint}</p>
      {form.error && <p role="alert">{form.error}</p>}
      <Button isPending={form.isPending} type="submit" variant="primary">
        {text.signIn.hosted}
      </Button>
    </Form>
  );
}
