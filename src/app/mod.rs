//! The program: its command line, and the parts put together. The only module that knows everyone.
//!
//! Owns: the process: arguments, signals, standard output and error, the exit code; what runs, and its configuration.
//! Takes: arguments, the environment, signals, changes of the configuration's files.
//! Gives: a running service, or the answer of a command that only looks at a configuration.
//! Bounds: twenty seconds from the first signal to the exit; a hundred reloads whose leavings have not left yet.
//! Loses: what could not be forwarded by then, counted and logged; only a `sending_queue`, or a `batch` processor of
//! senders that keep nothing, had promised it.

mod changes;
pub mod cli;
mod condition;
mod explain;
mod extensions;
mod graph;
mod live;
mod pages;
mod run;
mod watch;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

/// The whole program.
pub fn main() -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    match cli::main(std::env::args_os(), &env, &mut stdout(), &mut stderr()) {
        cli::Action::Done(code) => ExitCode::from(code),
        cli::Action::Run(asked) => run::run(*asked).unwrap_or_else(|error| {
            let _ = writeln!(stderr(), "Error: {error}"); // nowhere left to say that it failed
            ExitCode::FAILURE
        }),
    }
}
