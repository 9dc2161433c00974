//! ringtail: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringtail::app::main()
}
