"use client";

import type { ReactElement } from "react";
import { Menu as AriaMenu, MenuItem, MenuTrigger, Popover } from "react-aria-components";
import { Icon, type IconName } from "./Icon";
import styles from "./Menu.module.css";

export interface MenuAction {
  readonly id: string;
  readonly label: string;
  readonly icon?: IconName;
  readonly danger?: boolean;
  readonly run?: () => void;
  readonly href?: string;
}

/** A button (the child) with a menu of actions. */
export function Menu(props: { label: string; actions: readonly MenuAction[]; children: ReactElement }) {
  return (
    <MenuTrigger>
      {props.children}
      <Popover className={styles.popover!} placement="bottom end">
        <AriaMenu aria-label={props.label} className={styles.menu!}>
          {props.actions.map((action) => (
            <MenuItem
              className={`${styles.item} ${action.danger ? styles.danger : ""}`}
              href={action.href}
              id={action.id}
              key={action.id}
              onAction={action.run}
              textValue={action.label}
            >
              {action.icon && <Icon name={action.icon} size={18} />}
              {action.label}
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
