//! Policies by numbers that mean the same after a reconfiguration, when their places do not.

use std::collections::HashMap;
use std::sync::Arc;

use super::Config;

/// Every name that a policy has had, by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16>,
    /// The policies in force: by place, their number.
    places: Arc<[u16]>,
}

/// No number: so many names have come and gone that none is left.
const UNNUMBERED: u16 = u16::MAX;

impl Names {
    /// Of the policies of `config`.
    pub(super) fn new(config: &Config) -> Self {
        let mut names = Self::default();
        names.change(config);
        names
    }

    /// Other policies are in force.
    pub(super) fn change(&mut self, config: &Config) {
        self.places = config.policies.iter().map(|policy| self.number(&policy.name)).collect();
    }

    fn number(&mut self, name: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u16::try_from(self.names.len()).unwrap_or(UNNUMBERED);
        if number != UNNUMBERED {
            let name: Arc<str> = name.into();
            self.names.push(Arc::clone(&name));
            self.numbers.insert(name, number);
        }
        number
    }

    /// By number.
    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The numbers of the policies in force.
    pub(super) fn places(&self) -> &Arc<[u16]> {
        &self.places
    }
}

/// The number of the policy at a place.
pub(super) fn number_at(places: &[u16], place: Option<u16>) -> Option<u16> {
    places.get(usize::from(place?)).copied().filter(|number| *number != UNNUMBERED)
}
