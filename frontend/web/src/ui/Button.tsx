"use client";

import type { ReactNode } from "react";
import {
  Button as AriaButton,
  Tooltip,
  TooltipTrigger,
  type ButtonProps as AriaButtonProps,
} from "react-aria-components";
import { text } from "@/text/en";
import { Icon, type IconName } from "./Icon";
import styles from "./Button.module.css";

export type Variant = "primary" | "secondary" | "quiet" | "danger";

interface ButtonProps extends Omit<AriaButtonProps, "className" | "children" | "isPending"> {
  /** Its work is going on: it keeps the focus but does nothing more. */
  isPending?: boolean;
  variant?: Variant;
  icon?: IconName;
  size?: "m" | "s";
  children: ReactNode;
}

export function Button({
  variant = "secondary",
  icon,
  size = "m",
  isPending = false,
  children,
  ...props
}: ButtonProps) {
  const busy = isPending ? ({ type: "button", onPress: undefined } as const) : {};
  const look = `${styles.button} ${styles[variant]} ${styles[size]} ${isPending ? styles.busy : ""}`;
  return (
    <AriaButton {...props} {...busy} className={look}>
      {isPending ? <span aria-hidden="true" className={styles.spinner} /> : icon && <Icon name={icon} size={18} />}
      <span>{children}</span>
      {isPending && <span className="visually-hidden">{text.common.working}</span>}
    </AriaButton>
  );
}

interface IconButtonProps extends Omit<AriaButtonProps, "className" | "children"> {
  label: string;
  icon: IconName;
  size?: number;
  tooltip?: boolean;
  onDark?: boolean;
}

/** A button whose words are in its label and, when pointed at or focused, in a tooltip. */
export function IconButton({
  label,
  icon,
  size = 20,
  tooltip = true,
  onDark = false,
  ...props
}: IconButtonProps) {
  const button = (
    <AriaButton
      {...props}
      aria-label={label}
      className={`${styles.icon} ${onDark ? styles.onDark : ""}`}
    >
      <Icon name={icon} size={size} />
    </AriaButton>
  );
  if (!tooltip) return button;
  return (
    <TooltipTrigger delay={500}>
      {button}
      <Tooltip className={styles.tooltip} offset={6}>
        {label}
      </Tooltip>
    </TooltipTrigger>
  );
}
