//! The members file: its text, its rules.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::change::{Change, Names};
use super::{MEMBERS_MAX, Rejection, address};
use crate::route::{Member, Membership};

/// Largest weight of a member.
const WEIGHT_MAX: u32 = 65_535;

/// A file as parsed: a valid membership, not yet compared with the one in force.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) membership: Membership,
    /// The writer means it: a larger shrink than usual is wanted.
    force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    epoch: Option<u64>,
    seed: Option<u64>,
    #[serde(default)]
    force: bool,
    members: Vec<Spanned<RawMember>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    id: Option<String>,
    address: Spanned<String>,
    weight: Option<Spanned<u64>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads YAML or JSON. `path` is for messages only.
pub(super) fn parse(path: &Path, content: &[u8]) -> Result<Parsed, Rejection> {
    let path = path.display();
    let text = std::str::from_utf8(content).map_err(|error| {
        Rejection::Invalid(format!("{path}: not UTF-8 after byte {}", error.valid_up_to()))
    })?;
    let options = serde_saphyr::options! { with_snippet: false };
    let raw: RawFile = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        Rejection::Invalid(format!("{path}{place}: {error}"))
    })?;
    if raw.members.is_empty() {
        return Err(Rejection::Empty(format!("{path}: the list of members is empty")));
    }
    if raw.members.len() > MEMBERS_MAX {
        let count = raw.members.len();
        return Err(Rejection::Invalid(format!(
            "{path}: {count} members; at most {MEMBERS_MAX} are allowed"
        )));
    }
    let mut seen = HashMap::new();
    let mut members = Vec::with_capacity(raw.members.len());
    for raw in raw.members {
        let line = raw.referenced.line();
        let member = member(raw.value).map_err(|(at, fault)| {
            Rejection::Invalid(format!("{path}:{}:{}: {fault}", at.line(), at.column()))
        })?;
        if let Some(first) = seen.insert(member.id.clone(), line) {
            let id = &member.id;
            return Err(Rejection::Invalid(format!(
                "{path}:{line}: member `{id}` is already on line {first}; ids must be unique"
            )));
        }
        members.push(member);
    }
    if members.iter().all(|member| member.weight == 0) {
        return Err(Rejection::Empty(format!("{path}: every weight is zero, so nobody would own anything")));
    }
    let membership = Membership::new(raw.epoch, raw.seed.unwrap_or(0), members);
    Ok(Parsed { membership, force: raw.force })
}

fn member(raw: RawMember) -> Result<Member, (Location, String)> {
    let written = raw.address.value;
    let dialled = address::with_port(&written);
    if let Some(fault) = address::fault(&dialled) {
        return Err((raw.address.referenced, format!("address `{written}`: {fault}")));
    }
    let weight = match raw.weight {
        None => 1,
        Some(weight) => u32::try_from(weight.value).ok().filter(|w| *w <= WEIGHT_MAX).ok_or_else(|| {
            (weight.referenced, format!("weight {}: at most {WEIGHT_MAX} is allowed", weight.value))
        })?,
    };
    let id = raw.id.unwrap_or(written);
    if id.is_empty() {
        return Err((raw.address.referenced, "an id must not be empty".to_owned()));
    }
    Ok(Member { id, address: dialled, weight, labels: raw.labels })
}

impl Parsed {
    /// Whether this may follow `current`: epochs rise, and not too many members leave at once.
    pub(super) fn may_follow(&self, current: &Membership, max_shrink: u32) -> Result<(), Rejection> {
        self.check_epoch(current)?;
        let forced = self.force && self.membership.epoch > current.epoch;
        if forced {
            return Ok(());
        }
        let removed = Change::between(current, &self.membership).removed;
        let (gone, all) = (removed.len() as u64, current.members.len() as u64);
        if gone * 1000 > u64::from(max_shrink) * all {
            return Err(Rejection::Shrink(format!(
                "{gone} of {all} members would leave at once ({}); more than {}.{} % needs `force: true` and a higher \
                 `epoch` in the file",
                Names(&removed),
                max_shrink / 10,
                max_shrink % 10
            )));
        }
        Ok(())
    }

    fn check_epoch(&self, current: &Membership) -> Result<(), Rejection> {
        let new = &self.membership;
        match (current.epoch, new.epoch) {
            (Some(was), Some(is)) if is < was => Err(Rejection::Epoch(format!(
                "epoch {is} is older than the one in force, {was}; a change needs a higher epoch"
            ))),
            (Some(was), Some(is)) if is == was && new != current => Err(Rejection::Epoch(format!(
                "epoch {is} is in force with other content; a change needs a higher epoch"
            ))),
            (Some(was), None) => Err(Rejection::Epoch(format!(
                "the file has lost its epoch; the one in force is {was}, a change needs a higher epoch"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parsed, Rejection> {
        parse(Path::new("m.yaml"), text.as_bytes())
    }

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    fn list(epoch: Option<u64>, count: usize, more: &str) -> Parsed {
        let epoch = epoch.map(|epoch| format!("epoch: {epoch}\n")).unwrap_or_default();
        let members: String = (0..count).map(|i| format!("- address: h{i}\n")).collect();
        read(&format!("{epoch}{more}members:\n{members}")).unwrap()
    }

    #[test]
    fn yaml_and_json_give_the_same_members() {
        let yaml = "epoch: 3\nseed: 9\nmembers:\n- {id: b, address: 'h:1', weight: 0, labels: {zone: x}}\n- address: a\n";
        let json = r#"{"epoch": 3, "seed": 9, "members": [
	{"id": "b", "address": "h:1", "weight": 0, "labels": {"zone": "x"}}, {"address": "a"}]}"#;
        let (yaml, json) = (read(yaml).unwrap().membership, read(json).unwrap().membership);
        assert_eq!(yaml, json);
        assert_eq!((yaml.epoch, yaml.seed), (Some(3), 9));
        let [a, b] = &yaml.members[..] else { panic!("two members, sorted: {yaml:?}") };
        assert_eq!((a.id.as_str(), a.address.as_str(), a.weight), ("a", "a:4317", 1));
        assert_eq!((b.id.as_str(), b.address.as_str(), b.weight), ("b", "h:1", 0));
        assert_eq!(b.labels["zone"], "x");
    }

    #[test]
    fn faults_name_file_line_and_column() {
        for (text, start, word) in [
            ("members:\n- address: a\n  wieght: 1\n", "m.yaml:3:3: ", "wieght"),
            ("members:\n- address: a\n  weight: 65536\n", "m.yaml:3:11: ", "65535"),
            ("members:\n- address: a\n  weight: -1\n", "m.yaml:3:11: ", ""),
            ("members:\n- address: http://a\n", "m.yaml:2:12: ", "scheme"),
            ("members:\n- address: a\n- id: b\n  address: c\n- address: a\n", "m.yaml:5: ", "line 2"),
            ("members:\n- id: ''\n  address: a\n", "m.yaml:3:12: ", "empty"),
            ("members:\n- id: b\n", "m.yaml:2:", "address"),
            ("members: [\n", "m.yaml:", ""),
            ("epoch: 1\n", "m.yaml:", "members"),
            ("", "m.yaml", ""),
        ] {
            let text_of = refusal(text);
            assert!(text_of.starts_with(start) && text_of.contains(word), "{text:?}: {text_of}");
        }
        assert!(matches!(read("members: []\n"), Err(Rejection::Empty(_))));
        assert!(matches!(read("members: [{address: a, weight: 0}]"), Err(Rejection::Empty(_))));
        assert!(parse(Path::new("m"), b"members: [\xff]").is_err());
    }

    #[test]
    fn epochs_only_rise() {
        let current = list(Some(5), 2, "").membership;
        assert!(matches!(list(Some(4), 2, "").may_follow(&current, 1000), Err(Rejection::Epoch(_))));
        assert!(matches!(list(Some(5), 3, "").may_follow(&current, 1000), Err(Rejection::Epoch(_))));
        assert!(matches!(list(None, 2, "").may_follow(&current, 1000), Err(Rejection::Epoch(_))));
        list(Some(5), 2, "").may_follow(&current, 1000).unwrap();
        list(Some(6), 3, "").may_follow(&current, 1000).unwrap();
        list(Some(1), 3, "").may_follow(&list(None, 2, "").membership, 1000).unwrap();
    }

    #[test]
    fn a_large_shrink_needs_force_and_a_higher_epoch() {
        let current = list(Some(5), 4, "").membership;
        list(Some(6), 2, "").may_follow(&current, 500).unwrap();
        let refused = list(Some(6), 1, "").may_follow(&current, 500).unwrap_err();
        assert!(
            refused.to_string().starts_with("3 of 4 members would leave at once (h1, h2, h3)"),
            "{refused}"
        );
        assert!(refused.to_string().contains("50.0 %"), "{refused}");
        list(Some(6), 1, "force: true\n").may_follow(&current, 500).unwrap();
        list(Some(6), 1, "").may_follow(&current, 1000).unwrap();
        let without = list(None, 4, "").membership;
        assert!(
            list(None, 1, "force: true\n").may_follow(&without, 500).is_err(),
            "force alone would stay in the file"
        );
        list(Some(1), 1, "force: true\n").may_follow(&without, 500).unwrap();
        list(None, 4, "").may_follow(&Membership::default(), 0).unwrap();
    }
}
