//! Configurations as people have them: each says in its first lines what `ringtail validate` must find in it, and where
//! the Collector decides otherwise, and why.
//!
//! ```text
//! # env: NAME=VALUE      a variable that is set; there are no others
//! # warning: TEXT        part of a warning; all of them, in order
//! # error: TEXT          part of an error; all of them, in order; there are no warnings beside them
//! # says: TEXT           stands somewhere in what is said, such as in a help
//! # skipping: TEXT       part of a warning under --skip-unavailable, which takes the file then; all, in order
//! # collector: REASON    the Collector accepts what we refuse, or the other way round
//! ```
//!
//! The Collector is asked where `RINGTAIL_OTELCOL` names one.

#![allow(clippy::unwrap_used)]

mod peers;

use std::path::{Path, PathBuf};
use std::process::Command;

/// One file, and what it says of itself.
struct Shape {
    path: PathBuf,
    env: Vec<(String, String)>,
    warnings: Vec<String>,
    errors: Vec<String>,
    says: Vec<String>,
    skipping: Vec<String>,
    differs: bool,
}

fn shapes() -> Vec<Shape> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shapes");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(shape).collect()
}

fn shape(path: PathBuf) -> Shape {
    let text = std::fs::read_to_string(&path).unwrap();
    let said = |word: &str| -> Vec<String> {
        let prefix = format!("# {word}: ");
        text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    };
    let pair = |pair: &String| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    Shape {
        env: said("env").iter().map(pair).collect(),
        warnings: said("warning"),
        errors: said("error"),
        says: said("says"),
        skipping: said("skipping"),
        differs: !said("collector").is_empty(),
        path,
    }
}

/// Whether a program takes a shape, and what it says.
fn validate(program: &Path, shape: &Shape, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(["validate", "--config"])
        .arg(&shape.path)
        .args(arguments)
        .env_clear()
        .envs(shape.env.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What is wrong with what was said: `expected` are parts of the findings of one kind, all and in order.
fn unlike(expected: &[String], said: &str, kind: &str) -> Option<String> {
    let found: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix(kind)).collect();
    let same =
        found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.contains(e.as_str()));
    (!same).then(|| format!("{kind}expected {expected:#?}, found {found:#?}"))
}

#[test]
fn every_shape_is_found_as_it_says() {
    let ringtail = Path::new(env!("CARGO_BIN_EXE_ringtail"));
    let (shapes, mut wrong) = (shapes(), Vec::new());
    for shape in &shapes {
        let (taken, said) = validate(ringtail, shape, &[]);
        let unlike = [unlike(&shape.errors, &said, "error: "), unlike(&shape.warnings, &said, "warning: ")];
        let mut unlike: Vec<String> = unlike.into_iter().flatten().collect();
        unlike.extend(shape.says.iter().filter(|text| !said.contains(text.as_str())).cloned());
        if taken != shape.errors.is_empty() {
            unlike.push(format!("taken: {taken}"));
        }
        if !unlike.is_empty() {
            wrong.push(format!("{}: {}", shape.path.display(), unlike.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(shapes.len() > 60, "only {} shapes", shapes.len());
}

/// Files with components that only the Collector has start without these, where that leaves something.
#[test]
fn what_is_not_here_can_be_left_out() {
    let ringtail = Path::new(env!("CARGO_BIN_EXE_ringtail"));
    let shapes: Vec<Shape> = shapes().into_iter().filter(|shape| !shape.skipping.is_empty()).collect();
    for shape in &shapes {
        let (taken, said) = validate(ringtail, shape, &["--skip-unavailable"]);
        let unlike = unlike(&shape.skipping, &said, "warning: ");
        assert!(taken && unlike.is_none(), "{}: {unlike:?}\n{said}", shape.path.display());
    }
    assert!(shapes.len() >= 3, "only {} shapes", shapes.len());
}

/// What the Collector takes is taken here, and what it refuses is refused, but for the differences that say why.
#[test]
fn the_collector_decides_alike_or_the_shape_says_why_not() {
    let Some(collector) = peers::program("RINGTAIL_OTELCOL") else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for shape in &shapes() {
        let (taken, said) = validate(&collector, shape, &[]);
        if said.contains("unknown type: ") && !said.contains("queued_retry") {
            continue; // a component that this build of it has not
        }
        compared += 1;
        let alike = taken == shape.errors.is_empty();
        if alike == shape.differs {
            wrong.push(format!("{}: taken by the Collector: {taken}\n{said}", shape.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(compared > 45, "only {compared} were compared");
}
