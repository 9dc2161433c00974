//! The program: its command line, and the parts put together.
//!
//! Owns: the process: arguments, standard output and error, the exit code.
//! Takes: arguments and the environment.
//! Gives: a configuration to run, or the answer of a command that only looks at one.
//! Bounds: those of the configuration.
//! Loses: nothing.

pub mod cli;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

/// The whole program.
pub fn main() -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    match cli::main(std::env::args_os(), &env, &mut stdout(), &mut stderr()) {
        cli::Action::Done(code) => ExitCode::from(code),
        cli::Action::Run(_) => {
            let _ = writeln!(stderr(), "Error: this build can check configurations, not run them");
            ExitCode::FAILURE
        }
    }
}
