// Whether a message is genuine: as Standard Webhooks has it, or in a platform's own form.

import { verifyForm } from "./form.js";
import { verify } from "./standard.js";

export const webhooks = { verify, verifyForm } as const;
