//! How access is labelled and asked for: levels, View/Edit, or independent scopes.

use crate::grant::{Action, Grant, Need};
use crate::scheme::Scheme;

/// A platform's words for access to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Whether writing includes reading.
    pub write_includes_read: bool,
    /// Whether pages show one choice per resource (None/Read/Write) or a box per scope.
    pub exclusive: bool,
    /// The words for nothing, reading, writing.
    pub labels: [String; 3],
}

/// Why a wanted grant is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// No such resource or group.
    #[error("there is no resource or group `{0}`")]
    Resource(String),
    /// No such access.
    #[error("`{0}` is no access; it is one of {1}")]
    Access(String, String),
    /// Named twice, directly or through its group.
    #[error("`{0}` is named twice")]
    Doubled(String),
}

impl Scheme {
    /// Adds to a grant what one entry asks for: `resource` is a resource or a group, `access` a
    /// word of [`Levels`] or of [`Action`]. An entry for a resource wins over one for its group, so
    /// groups come first.
    fn entry(&self, resource: &str, access: &[&str]) -> Result<Entry, GrantError> {
        let mut actions = Vec::new();
        for word in access {
            actions.extend(self.levels.actions(word)?);
        }
        if let Some(place) = self.resource(resource) {
            return Ok(Entry { places: vec![place], is_group: false, actions });
        }
        let group = self.groups.iter().position(|group| group.name == resource);
        let group = group.ok_or_else(|| GrantError::Resource(resource.to_owned()))?;
        let members = (0_u8..).zip(&self.resources);
        let places =
            members.filter(|(_, resource)| resource.group == Some(group)).map(|(place, _)| place);
        Ok(Entry { places: places.collect(), is_group: true, actions })
    }

    /// The grant that entries ask for together.
    pub fn grant<'e>(
        &self,
        entries: impl IntoIterator<Item = (&'e str, Vec<&'e str>)>,
    ) -> Result<Grant, GrantError> {
        let mut chosen: Vec<Option<(bool, Vec<Action>)>> = vec![None; self.resources.len()];
        for (name, access) in entries {
            let entry = self.entry(name, &access)?;
            for place in entry.places {
                let slot = &mut chosen[usize::from(place)];
                match slot {
                    Some((was_group, _)) if *was_group == entry.is_group => {
                        let doubled = self.resource_names()[usize::from(place)].clone();
                        return Err(GrantError::Doubled(doubled));
                    }
                    // What is said of the resource itself holds, whichever came first.
                    Some((false, _)) => {}
                    _ => *slot = Some((entry.is_group, entry.actions.clone())),
                }
            }
        }
        let mut grant = Grant::NONE;
        for (resource, slot) in (0_u8..).zip(chosen) {
            for action in slot.into_iter().flat_map(|(_, actions)| actions) {
                grant = grant.with(Need { resource, action });
            }
        }
        Ok(grant)
    }
}

impl Scheme {
    /// The grant that a list of `resource:action` asks for (RFC 6749 §3.3), with `*` for every
    /// resource there is; `None` if it names what there is not.
    pub fn scope(&self, text: &str) -> Option<Grant> {
        let mut grant = Grant::NONE;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let (resource, action) = word.split_once(':')?;
            let all = 0..u8::try_from(self.resources.len()).ok()?;
            let places = match resource {
                "*" => all,
                name => self.resource(name).map(|place| place..place + 1)?,
            };
            for resource in places {
                for action in self.levels.actions(action).ok()? {
                    grant = grant.with(Need { resource, action });
                }
            }
        }
        Some(grant)
    }
}

/// One entry of a wanted grant, understood.
#[derive(Debug, Clone)]
struct Entry {
    places: Vec<u8>,
    is_group: bool,
    actions: Vec<Action>,
}

impl Levels {
    /// What a word allows.
    fn actions(&self, word: &str) -> Result<Vec<Action>, GrantError> {
        let [none, read, write] = &self.labels;
        let is = |label: &str, plain: &str| word == plain || word.eq_ignore_ascii_case(label);
        if is(none, "none") {
            Ok(Vec::new())
        } else if is(read, "read") {
            Ok(vec![Action::Read])
        } else if is(write, "write") {
            let both = self.write_includes_read;
            Ok(if both { Action::ALL.to_vec() } else { vec![Action::Write] })
        } else {
            let known = [none, read, write].map(|label| label.to_lowercase());
            Err(GrantError::Access(word.to_owned(), known.join(", ")))
        }
    }
}
