//! What a run does: its arguments.

use std::path::PathBuf;

use crate::Failure;

/// What a run does, and to how many nodes.
pub(crate) struct Plan {
    pub(crate) keyway: PathBuf,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) nodes: usize,
    /// One node on its own file, without PostgreSQL.
    pub(crate) sqlite: bool,
    /// Revocations, counting the ends of secrets by rotation; creations in `create`, credentials
    /// in `bulk`.
    pub(crate) revokes: usize,
    /// Revocations that are begun each second, at most.
    pub(crate) rate: usize,
    /// Verifications each second, over all nodes.
    pub(crate) verifications: usize,
    pub(crate) crashes: usize,
    pub(crate) seed: u64,
    pub(crate) control: Control,
    /// The route that revokes all of an account, after the account's own path.
    pub(crate) bulk_route: String,
    pub(crate) json: bool,
    /// Whether what depends on the machine is judged.
    pub(crate) bars: bool,
}

/// What is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Nothing breaks.
    Plain,
    /// Nodes and their ways to the database break.
    Faults,
    /// The database breaks.
    Crashes,
    /// What was just made is there.
    Create,
    /// All of an account end at once.
    Bulk,
    /// The clocks of the nodes are wrong.
    Clocks,
}

/// What is made wrong on purpose, so that the checker is known to see it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Nothing.
    None,
    /// The checker takes a revocation as done when it is asked for.
    Early,
    /// The nodes run without some of the protocol.
    Unsafe(&'static str),
}

const SCENARIOS: [(&str, Scenario); 6] = [
    ("plain", Scenario::Plain),
    ("faults", Scenario::Faults),
    ("dbcrash", Scenario::Crashes),
    ("create", Scenario::Create),
    ("bulk", Scenario::Bulk),
    ("clocks", Scenario::Clocks),
];

const CONTROLS: [(&str, Control); 4] = [
    ("early", Control::Early),
    ("no-wait", Control::Unsafe("no-wait")),
    ("ttl-cache", Control::Unsafe("ttl-cache")),
    ("notify-only", Control::Unsafe("notify-only")),
];

pub(crate) const USAGE: &str = "\
Usage: history/run [OPTION…]
  --scenario NAME       plain, faults, dbcrash, create, bulk or clocks; repeat it (default: plain)
  --nodes N             nodes on one PostgreSQL (default: 3)
  --sqlite              one node on its own file instead
  --revokes N           revocations, or creations, or credentials of the account (default: 10000)
  --rate N              revocations each second at most (default: 100)
  --verifications N     verifications each second in all (default: 2000)
  --crashes N           restarts of the database in dbcrash (default: 20)
  --seed N              the seed of every choice (default: 1)
  --control NAME        no-wait, ttl-cache, notify-only (nodes) or early (checker): stale accepts
                        must be found
  --bulk-route PATH     after /v1/accounts/ID (default: /credentials/revoke-all)
  --no-bars             only tell what depends on the machine: times, and answers in time
  --json                for programs
  --keyway PATH         the binary";

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        SCENARIOS.iter().find(|(_, scenario)| *scenario == self).map_or("", |(name, _)| name)
    }
}

impl Control {
    pub(crate) fn name(self) -> Option<&'static str> {
        CONTROLS.iter().find(|(_, control)| *control == self).map(|(name, _)| *name)
    }

    pub(crate) fn unsafe_mode(self) -> Option<String> {
        match self {
            Self::Unsafe(mode) => Some(mode.to_owned()),
            Self::None | Self::Early => None,
        }
    }
}

impl Plan {
    pub(crate) fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut plan = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value =
                || rest.next().ok_or_else(|| Failure::from(format!("{argument} needs a value")));
            match argument.as_str() {
                "--keyway" => plan.keyway = value()?.into(),
                "--scenario" => plan.scenarios.push(named(&SCENARIOS, value()?)?),
                "--nodes" => plan.nodes = value()?.parse()?,
                "--sqlite" => plan.sqlite = true,
                "--revokes" => plan.revokes = value()?.parse()?,
                "--rate" => plan.rate = value()?.parse()?,
                "--verifications" => plan.verifications = value()?.parse()?,
                "--crashes" => plan.crashes = value()?.parse()?,
                "--seed" => plan.seed = value()?.parse()?,
                "--control" => plan.control = named(&CONTROLS, value()?)?,
                "--bulk-route" => value()?.clone_into(&mut plan.bulk_route),
                "--json" => plan.json = true,
                "--no-bars" => plan.bars = false,
                other => return Err(format!("`{other}` is no option\n{USAGE}").into()),
            }
        }
        if plan.scenarios.is_empty() {
            plan.scenarios.push(Scenario::Plain);
        }
        if plan.sqlite {
            plan.nodes = 1;
        }
        if plan.nodes == 0 || plan.rate == 0 || plan.verifications == 0 {
            return Err("a run has at least one of everything".into());
        }
        Ok(plan)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            keyway: PathBuf::from("keyway"),
            scenarios: Vec::new(),
            nodes: 3,
            sqlite: false,
            revokes: 10_000,
            rate: 100,
            verifications: 2_000,
            crashes: 20,
            seed: 1,
            control: Control::None,
            bulk_route: "/credentials/revoke-all".to_owned(),
            json: false,
            bars: true,
        }
    }
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> Result<T, Failure> {
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        format!("`{name}`: there are {}", names.join(", ")).into()
    })
}
