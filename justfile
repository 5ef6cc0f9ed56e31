# Everyday commands. `just check` is exactly what CI runs.

# A debug build of the demo, with its log.
dev *arguments:
    RUST_LOG=debug cargo run -p keyway-server -- demo {{arguments}}

# Everything that must hold, cheap checks first; `just check --only lint` runs one step.
check *arguments:
    scripts/test {{arguments}}

# The tests of the workspace; `just test rotate` runs those with that word in their name.
test *arguments:
    cargo nextest run --workspace {{arguments}}

# The rules that no compiler knows.
tidy *checks:
    cargo run --quiet -p xtask -- tidy {{checks}}

# The figures, on this machine.
bench *arguments:
    bench/run {{arguments}}

# What clients of many nodes see while things break; `just history --scenario faults`.
history *arguments:
    history/run {{arguments}}

# A running Keyway with a sample payments API and one credential of each kind.
demo *arguments:
    cargo run --release -p keyway-server -- demo {{arguments}}

# Fuzz one target; cargo-fuzz needs unstable flags, which the pinned Rust allows only when told to.
fuzz target *arguments:
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{target}} {{arguments}}
