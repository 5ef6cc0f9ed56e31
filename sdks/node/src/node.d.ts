// The few names of Node that this package uses, so that it needs no types of another package.

declare module "node:crypto" {
  interface Hmac {
    update(data: string | Uint8Array): Hmac;
    digest(): Uint8Array;
    digest(encoding: "base64" | "hex"): string;
  }
  export function createHmac(algorithm: "sha256", key: string | Uint8Array): Hmac;
  export function timingSafeEqual(one: Uint8Array, other: Uint8Array): boolean;
}

declare module "node:process" {
  const process: { readonly version: string };
  export default process;
}
