// What the scheme `rapyd` declares under `[signature]` and `[webhooks]`.

export const FORM = {
  id_header: "access_key",
  signature_header: "signature",
  salt_header: "salt",
  timestamp_header: "timestamp",
  message: ["url", "salt", "timestamp", "id", "secret", "body"],
  encoding: "base64-of-hex",
};
