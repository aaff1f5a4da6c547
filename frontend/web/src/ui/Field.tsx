"use client";

import type { ReactNode } from "react";
import {
  Checkbox,
  FieldError,
  Input,
  Label,
  Switch,
  Text,
  TextField,
  type TextFieldProps,
} from "react-aria-components";
import { Icon } from "./Icon";
import styles from "./Field.module.css";

interface FieldProps extends Omit<TextFieldProps, "className" | "children"> {
  label: string;
  hint?: string;
  error?: string | null;
  placeholder?: string;
  min?: string;
  max?: string;
}

export function Field({ label, hint, error, placeholder, min, max, ...props }: FieldProps) {
  return (
    <TextField {...props} className={styles.field!} isInvalid={Boolean(error)}>
      <Label className={styles.label!}>{label}</Label>
      <Input className={styles.input!} max={max} min={min} placeholder={placeholder} />
      {hint && (
        <Text className={styles.hint!} slot="description">
          {hint}
        </Text>
      )}
      <FieldError className={styles.error!}>{error}</FieldError>
    </TextField>
  );
}

interface ToggleProps {
  label: string;
  hint?: string;
  isSelected: boolean;
  onChange: (selected: boolean) => void;
}

export function Toggle({ label, hint, isSelected, onChange }: ToggleProps) {
  return (
    <Switch className={styles.switch!} isSelected={isSelected} onChange={onChange}>
      <span aria-hidden="true" className={styles.track} />
      <span>
        {label}
        {hint && <span className={styles.hint}>{hint}</span>}
      </span>
    </Switch>
  );
}

interface CheckProps {
  label: ReactNode;
  ariaLabel?: string;
  isSelected: boolean;
  onChange: (selected: boolean) => void;
}

export function Check({ label, ariaLabel, isSelected, onChange }: CheckProps) {
  return (
    <Checkbox
      aria-label={ariaLabel}
      className={styles.check!}
      isSelected={isSelected}
      onChange={onChange}
    >
      <span aria-hidden="true" className={styles.box}>
        <Icon name="check" size={14} />
      </span>
      {label}
    </Checkbox>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  value: Value;
  options: Readonly<Record<Value, string>>;
  onChange: (value: Value) => void;
  hideLabel?: boolean;
}

/** A choice of a few: the platform's own select, which phones and screen readers know best. */
export function Choice<Value extends string>(props: ChoiceProps<Value>) {
  return (
    <label className={styles.field}>
      <span className={props.hideLabel ? "visually-hidden" : styles.label}>{props.label}</span>
      <select
        className={`${styles.input} ${styles.select}`}
        onChange={(event) => props.onChange(event.target.value as Value)}
        value={props.value}
      >
        {(Object.entries(props.options) as [Value, string][]).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
