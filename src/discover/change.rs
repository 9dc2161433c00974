//! What an update changes, and why one is refused.

use std::fmt;

use crate::route::{Member, Membership};

/// Names a log line lists before it counts the rest.
const NAMES_MAX: usize = 20;

/// What differs between two memberships, by member id. Empty when nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// New members.
    pub added: Vec<String>,
    /// Members that left.
    pub removed: Vec<String>,
    /// Members with another address, weight or labels.
    pub altered: Vec<String>,
    /// The fleet seed is another one: nearly every trace moves.
    pub reseeded: bool,
    /// Members in force now.
    pub members: usize,
}

impl Change {
    /// What `new` changes against `old`. Both are sorted by id.
    pub fn between(old: &Membership, new: &Membership) -> Self {
        let find = |list: &Membership, member: &Member| {
            list.members.binary_search_by(|other| other.id.cmp(&member.id)).ok()
        };
        let mut change = Self {
            reseeded: old.seed != new.seed && !old.members.is_empty(),
            members: new.members.len(),
            ..Self::default()
        };
        for member in &new.members {
            match find(old, member) {
                None => change.added.push(member.id.clone()),
                Some(index) if old.members[index] != *member => change.altered.push(member.id.clone()),
                Some(_) => (),
            }
        }
        let gone = old.members.iter().filter(|member| find(new, member).is_none());
        change.removed.extend(gone.map(|member| member.id.clone()));
        change
    }

    /// Whether anything but the epoch differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.altered.is_empty() && !self.reseeded
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (what, ids) in [("added", &self.added), ("removed", &self.removed), ("altered", &self.altered)] {
            if !ids.is_empty() {
                let comma = if std::mem::take(&mut first) { "" } else { "; " };
                write!(f, "{comma}{what} {}", Names(ids))?;
            }
        }
        if self.reseeded {
            let comma = if std::mem::take(&mut first) { "" } else { "; " };
            write!(f, "{comma}seed changed")?;
        }
        if first { f.write_str("nothing changed") } else { Ok(()) }
    }
}

/// A list of ids that stays readable when there are thousands.
pub(super) struct Names<'a>(pub(super) &'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().min(NAMES_MAX);
        f.write_str(&self.0[..shown].join(", "))?;
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Why a reading did not become the membership in force. The last good one stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The content is not a valid list of members; the text carries file, line and column.
    #[error("{0}")]
    Invalid(String),
    /// The list is empty, or nobody in it has a weight.
    #[error("{0}")]
    Empty(String),
    /// The epoch goes backwards, or the same epoch comes with other content.
    #[error("{0}")]
    Epoch(String),
    /// Too many members would leave at once.
    #[error("{0}")]
    Shrink(String),
    /// The name did not resolve.
    #[error("{0}")]
    Unresolved(String),
    /// The source was stopped.
    #[error("the source was stopped")]
    Stopped,
}

impl Rejection {
    /// A word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Invalid(_) => "invalid",
            Self::Empty(_) => "empty",
            Self::Epoch(_) => "epoch",
            Self::Shrink(_) => "shrink",
            Self::Unresolved(_) => "unresolved",
            Self::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &[&str]) -> Membership {
        Membership::new(None, 0, ids.iter().map(|id| Member::new(*id)).collect())
    }

    #[test]
    fn a_change_names_who_came_who_left_and_who_is_another() {
        let mut new = list(&["b", "c", "d"]);
        new.members[1].weight = 4;
        let change = Change::between(&list(&["a", "b", "c"]), &new);
        assert_eq!(change.to_string(), "added d; removed a; altered c");
        assert_eq!(change.members, 3);
        assert!(!change.is_empty());
    }

    #[test]
    fn another_epoch_alone_changes_nothing() {
        let new = Membership { epoch: Some(3), ..list(&["a"]) };
        let change = Change::between(&list(&["a"]), &new);
        assert!(change.is_empty());
        assert_eq!(change.to_string(), "nothing changed");
    }

    #[test]
    fn another_seed_is_a_change() {
        let new = Membership { seed: 3, ..list(&["a"]) };
        assert_eq!(Change::between(&list(&["a"]), &new).to_string(), "seed changed");
        assert!(!Change::between(&list(&[]), &new).reseeded, "the first list has no seed to differ from");
    }

    #[test]
    fn long_lists_are_cut() {
        let ids: Vec<String> = (0..22).map(|i| i.to_string()).collect();
        assert!(Names(&ids).to_string().ends_with("18, 19 and 2 more"));
    }
}
