//! The labels of a series: sorted, each name once, in one run of bytes that is also the series' key.

use std::collections::BTreeMap;

use super::names::{Names, is_plain_label, with_underscores};

/// Cannot occur in UTF-8, so it separates.
const END: u8 = 0xff;

/// Labels as `name END value END …`, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels(Box<[u8]>);

impl Labels {
    /// Sizes in memory.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and values in order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split(|byte| *byte == END);
        std::iter::from_fn(move || {
            let (name, value) = (parts.next()?, parts.next()?);
            Some((
                std::str::from_utf8(name).unwrap_or_default(),
                std::str::from_utf8(value).unwrap_or_default(),
            ))
        })
    }
}

/// Labels in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Making(BTreeMap<String, String>);

impl Making {
    /// Adds attributes under the names of labels. Where several keys have one name, their values are joined with `;`
    /// in the order of the keys.
    pub(super) fn attributes(&mut self, names: &Names, prefix: &str, mut pairs: Vec<(String, String)>) {
        pairs.sort();
        for (key, value) in pairs {
            let name = match prefix {
                "" => names.label(&key),
                prefix => names.label(&format!("{prefix}{key}")),
            };
            match self.0.entry(name) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(value);
                }
                std::collections::btree_map::Entry::Occupied(mut place) => {
                    place.get_mut().push(';');
                    place.get_mut().push_str(&value);
                }
            }
        }
    }

    /// Sets a label in place of what has its name.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Gives way to a name that the exposition itself needs.
    pub(super) fn reserve(&mut self, name: &str) {
        if let Some(value) = self.0.remove(name) {
            self.0.insert(format!("key_{name}"), value);
        }
    }

    /// An empty label is the same as none.
    pub(super) fn finish(self) -> Labels {
        let mut bytes = Vec::new();
        for (name, value) in self.0.into_iter().filter(|(_, value)| !value.is_empty()) {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(END);
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(END);
        }
        Labels(bytes.into())
    }
}

/// Names and values for a server that takes plain names only; names that become one are joined.
pub(super) fn plain(labels: &Labels) -> Vec<(String, String)> {
    let mut plain: Vec<(String, String)> = Vec::new();
    for (name, value) in labels.pairs() {
        let name = match is_plain_label(name) {
            true => name.to_owned(),
            false => with_underscores(name, false),
        };
        match plain.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.push(';');
                known.push_str(value);
            }
            None => plain.push((name, value.to_owned())),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::config::Translation;
    use super::*;

    fn made(escapes: bool, pairs: &[(&str, &str)]) -> Labels {
        let names = Names::new(Translation { escapes, suffixes: true }, "");
        let mut making = Making::default();
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        making.attributes(&names, "", pairs.collect());
        making.finish()
    }

    #[test]
    fn labels_are_sorted_and_what_collides_is_joined_in_the_order_of_keys() {
        let labels = made(true, &[("z", "1"), ("a_b", "3"), ("a.b", "2"), ("empty", "")]);
        assert_eq!(labels.pairs().collect::<Vec<_>>(), [("a_b", "2;3"), ("z", "1")]);
        assert_eq!(made(true, &[]).pairs().count(), 0);
    }

    #[test]
    fn a_server_of_plain_names_gets_underscores() {
        let labels = made(false, &[("a.b", "1"), ("a_b", "2")]);
        assert_eq!(labels.pairs().count(), 2);
        assert_eq!(plain(&labels), [("a_b".to_owned(), "1;2".to_owned())]);
    }
}
