//! What a credential may do: actions on resources, or everything.

use std::collections::BTreeMap;

/// Bytes of most grants in a column.
const COLUMN_MOSTLY: usize = 128;

/// The two things one can do to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Look.
    Read,
    /// Change.
    Write,
}

impl Action {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// `read` or `write`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Reads `read` or `write`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// One action on one resource: what a route needs. The resource is its place in the scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The resource's place in the scheme's list.
    pub resource: u8,
    /// What is done to it.
    pub action: Action,
}

/// What is allowed: two bits a resource, or everything there is and will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Every API, those that no list names included.
    Everything,
    /// The actions whose bits are set.
    Chosen(u128),
}

impl Grant {
    /// Nothing at all.
    pub const NONE: Self = Self::Chosen(0);

    fn bit(need: Need) -> u128 {
        1 << (u32::from(need.resource) * 2 + u32::from(need.action == Action::Write))
    }

    /// Adds one action on one resource.
    #[must_use]
    pub fn with(self, need: Need) -> Self {
        match self {
            Self::Everything => Self::Everything,
            Self::Chosen(bits) => Self::Chosen(bits | Self::bit(need)),
        }
    }

    /// Whether the action is allowed.
    pub fn allows(self, need: Need) -> bool {
        match self {
            Self::Everything => true,
            Self::Chosen(bits) => bits & Self::bit(need) != 0,
        }
    }

    /// Whether everything in `other` is in this one too.
    pub fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Chosen(_), Self::Everything) => false,
            (Self::Chosen(bits), Self::Chosen(others)) => others & !bits == 0,
        }
    }

    /// What is in both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, grant) | (grant, Self::Everything) => grant,
            (Self::Chosen(bits), Self::Chosen(others)) => Self::Chosen(bits & others),
        }
    }

    /// As names: resource → actions; `"*"` → both for everything.
    pub fn to_names(self, resources: &[impl AsRef<str>]) -> BTreeMap<String, Vec<String>> {
        let actions = |allows: &dyn Fn(Action) -> bool| -> Vec<String> {
            Action::ALL
                .into_iter()
                .filter(|action| allows(*action))
                .map(|action| action.as_str().to_owned())
                .collect()
        };
        if self == Self::Everything {
            return BTreeMap::from([("*".to_owned(), actions(&|_| true))]);
        }
        let named = (0_u8..).zip(resources).map(|(resource, name)| {
            let of = actions(&|action| self.allows(Need { resource, action }));
            (name.as_ref().to_owned(), of)
        });
        named.filter(|(_, actions)| !actions.is_empty()).collect()
    }

    /// One line for a database column: `*`, or `invoices:rw payouts:r`, in the scheme's order.
    pub fn to_column(self, resources: &[impl AsRef<str>]) -> String {
        if self == Self::Everything {
            return "*".to_owned();
        }
        // A node writes one for each credential it loads, to check its seal.
        let mut column = String::with_capacity(COLUMN_MOSTLY);
        for (resource, name) in (0_u8..).zip(resources) {
            let [read, write] =
                [Action::Read, Action::Write].map(|action| self.allows(Need { resource, action }));
            if !read && !write {
                continue;
            }
            if !column.is_empty() {
                column.push(' ');
            }
            column.push_str(name.as_ref());
            column.push(':');
            column.push_str(match (read, write) {
                (true, true) => "rw",
                (true, false) => "r",
                (false, _) => "w",
            });
        }
        column
    }

    /// Reads a column; `None` if it names a resource that the scheme no longer has.
    pub fn from_column(column: &str, place: impl Fn(&str) -> Option<u8>) -> Option<Self> {
        if column == "*" {
            return Some(Self::Everything);
        }
        let mut grant = Self::NONE;
        for entry in column.split_ascii_whitespace() {
            let (name, letters) = entry.split_once(':')?;
            let resource = place(name)?;
            for letter in letters.chars() {
                let action = match letter {
                    'r' => Action::Read,
                    'w' => Action::Write,
                    _ => return None,
                };
                grant = grant.with(Need { resource, action });
            }
        }
        Some(grant)
    }
}
