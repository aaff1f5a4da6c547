import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useRouter } from "next/navigation";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "@/api/problem";
import type { ClientConfig, HostedSignIn } from "@/api/types";
import { hostedAuth } from "@/auth/hosted";
import { endSession } from "@/auth/session";
import { CallbackScreen } from "@/screens/signin/CallbackScreen";
import { SignInScreen } from "@/screens/signin/SignInScreen";
import { text } from "@/text/en";
import { serve, show } from "./helpers";

const HOSTED: HostedSignIn = {
  kind: "cognito",
  issuer: "https://pool.example/p",
  url: "https://sign-in.example",
  clientId: "client-1",
  scopes: ["openid"],
};

let getConfig: () => Promise<ClientConfig>;
vi.mock("@/api/config", () => ({ getConfig: () => getConfig() }));

beforeEach(() => {
  window.history.replaceState(null, "", "/signin/");
  getConfig = () => Promise.resolve({ signIn: HOSTED, eventsUrl: null });
});

describe("SignInScreen", () => {
  it("wants a name, signs in and keeps the token, on one machine", async () => {
    getConfig = () => Promise.resolve({ signIn: { kind: "local" }, eventsUrl: null });
    const token = `x.${btoa(JSON.stringify({ sub: "u-1", exp: 9_999_999_999 }))}.y`;
    const calls = serve(() => ({ body: { token } }));
    show(<SignInScreen />);
    await userEvent.click(await screen.findByRole("button", { name: text.signIn.submit }));
    expect(screen.getByText(text.signIn.nameWrong)).toBeInTheDocument();
    expect(calls).toEqual([]);
    await userEvent.type(screen.getByLabelText(text.signIn.name), "ada{Enter}");
    await waitFor(() => expect(localStorage.getItem("faceflow.token")).toBe(token));
    expect(calls[0]?.body).toEqual({ user: "ada" });
  });

  it("leaves for the issuer's page, and asks for no name", async () => {
    window.history.replaceState(null, "", "/signin/?next=%2Falbum%2F%3Fid%3D1");
    const begin = vi.spyOn(hostedAuth, "begin").mockResolvedValue();
    show(<SignInScreen />);
    await userEvent.click(await screen.findByRole("button", { name: text.signIn.hosted }));
    expect(begin).toHaveBeenCalledWith("/album/?id=1");
    expect(screen.queryByLabelText(text.signIn.name)).toBeNull();
  });

  it("says when the server cannot be reached, and tries again", async () => {
    getConfig = () => Promise.reject(new Problem({ status: 404, title: "Not found" }));
    show(<SignInScreen />);
    const again = await screen.findByRole("button", { name: text.common.retry });
    getConfig = () => Promise.resolve({ signIn: HOSTED, eventsUrl: null });
    await userEvent.click(again);
    expect(await screen.findByRole("button", { name: text.signIn.hosted })).toBeInTheDocument();
  });
});

describe("CallbackScreen", () => {
  it("says why nobody is signed in, and begins again", async () => {
    endSession();
    window.history.replaceState(null, "", "/signin/callback/?code=c&state=unknown");
    show(<CallbackScreen />);
    expect(await screen.findByRole("alert")).toHaveTextContent(text.signIn.stale);
    expect(screen.getByRole("button", { name: text.signIn.again })).toBeEnabled();
  });

  it("does not complain of an answer that was taken already", async () => {
    const token = `x.${btoa(JSON.stringify({ sub: "u-1", exp: 9_999_999_999 }))}.y`;
    localStorage.setItem("faceflow.token", token);
    window.history.replaceState(null, "", "/signin/callback/?code=c&state=taken");
    vi.resetModules();
    const { CallbackScreen: Fresh } = await import("@/screens/signin/CallbackScreen");
    show(<Fresh />);
    await waitFor(() => expect(useRouter().replace).toHaveBeenCalledWith("/"));
    expect(screen.queryByRole("alert")).toBeNull();
  });
});
