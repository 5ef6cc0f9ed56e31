//! Security rules of an account: what the platform sets for all, and what an account sets for
//! itself, which can only be stricter.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, Time, say_duration};

/// Rules that one side sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Whether every member has an authenticator.
    pub second_factor: bool,
    /// The longest time for which two secrets of one credential are accepted.
    pub overlap_ms_max: Option<i64>,
    /// The longest life of a credential, from its making; none lives for ever then.
    pub lifetime_days_max: Option<i64>,
    /// Whether a credential that can move money has a list of addresses.
    pub addresses_for_money: bool,
    /// Whether somebody else has to approve what gives out more that moves money.
    pub second_person: bool,
}

/// A rule, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A second factor for all.
    SecondFactor,
    /// The longest overlap.
    Overlap,
    /// The longest lifetime.
    Lifetime,
    /// Addresses for what moves money.
    AddressesForMoney,
    /// A second person for what moves money.
    SecondPerson,
}

impl Rule {
    /// What pages and errors call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::SecondFactor => "Second factor for everyone",
            Self::Overlap => "Longest rotation window",
            Self::Lifetime => "Longest lifetime",
            Self::AddressesForMoney => "Allowed addresses for what moves money",
            Self::SecondPerson => "A second person for what moves money",
        }
    }
}

/// Who set a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// The platform, in its scheme.
    Platform,
    /// The account itself.
    Account,
}

/// A rule that something would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// Who set it.
    pub set_by: SetBy,
    /// What it asks for.
    pub wants: String,
}

impl Broken {
    /// In a sentence; the platform by its title.
    pub fn say(&self, platform: &str) -> String {
        let by = match self.set_by {
            SetBy::Platform => platform,
            SetBy::Account => "this account",
        };
        format!("{}: {by} has set the rule “{}”", self.wants, self.rule.label())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.say("the platform"))
    }
}

/// The rules of both sides. Of each the stricter one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What the platform sets.
    pub platform: Rules,
    /// What the account sets.
    pub own: Rules,
}

/// The lower of two limits, and who set it; the platform's stands where both are the same.
fn lower(platform: Option<i64>, own: Option<i64>) -> Option<(i64, SetBy)> {
    match (platform, own) {
        (Some(platform), Some(own)) if own < platform => Some((own, SetBy::Account)),
        (Some(platform), _) => Some((platform, SetBy::Platform)),
        (None, own) => own.map(|own| (own, SetBy::Account)),
    }
}

fn either(platform: bool, own: bool) -> Option<SetBy> {
    if platform { Some(SetBy::Platform) } else { own.then_some(SetBy::Account) }
}

impl Standing {
    /// Who asks for a second factor of everyone, if anybody does.
    pub fn second_factor(&self) -> Option<SetBy> {
        either(self.platform.second_factor, self.own.second_factor)
    }

    /// The longest overlap in milliseconds, and who set it.
    pub fn overlap_ms_max(&self) -> Option<(i64, SetBy)> {
        lower(self.platform.overlap_ms_max, self.own.overlap_ms_max)
    }

    /// The longest life in days, and who set it.
    pub fn lifetime_days_max(&self) -> Option<(i64, SetBy)> {
        lower(self.platform.lifetime_days_max, self.own.lifetime_days_max)
    }

    /// Who asks for addresses where money moves, if anybody does.
    pub fn addresses_for_money(&self) -> Option<SetBy> {
        either(self.platform.addresses_for_money, self.own.addresses_for_money)
    }

    /// Who asks for a second person where money moves, if anybody does.
    pub fn second_person(&self) -> Option<SetBy> {
        either(self.platform.second_person, self.own.second_person)
    }

    /// What is done is not done before somebody else has approved it.
    pub fn wants_second_person(set_by: SetBy) -> Broken {
        let wants = "somebody else has to approve this before it is done".to_owned();
        Broken { rule: Rule::SecondPerson, set_by, wants }
    }

    /// Whether two secrets may be accepted for so long.
    pub fn check_overlap(&self, ms: i64) -> Result<(), Broken> {
        match self.overlap_ms_max() {
            Some((max, set_by)) if ms > max => {
                let wants = match max {
                    0 => "the previous secret stops at once".to_owned(),
                    max => format!("the previous secret stays for at most {}", say_duration(max)),
                };
                Err(Broken { rule: Rule::Overlap, set_by, wants })
            }
            _ => Ok(()),
        }
    }

    /// Whether a credential that was made at an instant may end at another, or never.
    pub fn check_lifetime(&self, made: Time, ends: Option<Time>) -> Result<(), Broken> {
        match self.lifetime_days_max() {
            Some((days, set_by)) if ends.is_none_or(|at| at > made.plus_ms(days * DAY_MS)) => {
                let last = made.plus_ms(days * DAY_MS);
                let wants = format!("it ends within {days} days, by {}", last.to_minute_text());
                Err(Broken { rule: Rule::Lifetime, set_by, wants })
            }
            _ => Ok(()),
        }
    }

    /// Whether a credential may have no list of addresses, or one that only reports.
    pub fn check_addresses(&self, moves_money: bool, addresses: usize) -> Result<(), Broken> {
        match self.addresses_for_money() {
            Some(set_by) if moves_money && addresses == 0 => {
                let wants = "what can move money needs allowed addresses".to_owned();
                Err(Broken { rule: Rule::AddressesForMoney, set_by, wants })
            }
            _ => Ok(()),
        }
    }

    /// The first rule that an account would have looser than the platform.
    pub fn looser(&self) -> Option<Rule> {
        let is_above = |own: Option<i64>, platform: Option<i64>| {
            own.zip(platform).is_some_and(|(own, platform)| own > platform)
        };
        if is_above(self.own.overlap_ms_max, self.platform.overlap_ms_max) {
            Some(Rule::Overlap)
        } else if is_above(self.own.lifetime_days_max, self.platform.lifetime_days_max) {
            Some(Rule::Lifetime)
        } else {
            None
        }
    }
}
