// Prints how a call ended, as one line of JSON: its value, or what its error offers to a program.

/** Runs `call` and ends the process, because an SDK's timers would keep it alive. */
export async function answer(call, describe) {
  let ending;
  try {
    ending = { value: await call() };
  } catch (error) {
    ending = { error: { class: error.constructor.name, ...describe(error) } };
  }
  process.stdout.write(`${JSON.stringify(ending)}\n`, () => process.exit(0));
}
