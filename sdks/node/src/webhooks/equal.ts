import { timingSafeEqual } from "node:crypto";

const encoder = new TextEncoder();

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function areEqual(one: string, other: string): boolean {
  const [ones, others] = [encoder.encode(one), encoder.encode(other)];
  return ones.length === others.length && timingSafeEqual(ones, others);
}
