// Whether a message is from the platform: as Standard Webhooks has it, and in a platform's own form.

import { verifyForm } from "./form.js";
import { verify } from "./standard.js";

export const webhooks = { verify, verifyForm } as const;
