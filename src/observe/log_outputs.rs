//! `service.telemetry.logs.output_paths`: where log lines go, which can change in a running process.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing_subscriber::fmt::MakeWriter;

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// `stderr`.
    Stderr,
    /// `stdout`.
    Stdout,
    /// A file, which is continued.
    File(PathBuf),
}

/// The outputs in use. A clone is the same.
#[derive(Clone)]
pub(super) struct Outputs(Arc<ArcSwap<Vec<Open>>>);

enum Open {
    Stderr,
    Stdout,
    File(File),
}

impl Outputs {
    /// Opens them; the path that cannot be, with the reason.
    pub(super) fn open(outputs: &[LogOutput]) -> Result<Self, (PathBuf, io::Error)> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(opened(outputs)?))))
    }

    /// Other ones from now on; on an error the old ones stay.
    pub(super) fn change(&self, outputs: &[LogOutput]) -> Result<(), (PathBuf, io::Error)> {
        self.0.store(Arc::new(opened(outputs)?));
        Ok(())
    }
}

fn opened(outputs: &[LogOutput]) -> Result<Vec<Open>, (PathBuf, io::Error)> {
    let open = |output: &LogOutput| match output {
        LogOutput::Stderr => Ok(Open::Stderr),
        LogOutput::Stdout => Ok(Open::Stdout),
        LogOutput::File(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map(Open::File).map_err(|error| (path.clone(), error))
        }
    };
    outputs.iter().map(open).collect()
}

/// Writes a line to every output.
pub(super) struct Every(Arc<Vec<Open>>);

impl<'a> MakeWriter<'a> for Outputs {
    type Writer = Every;

    fn make_writer(&'a self) -> Every {
        Every(self.0.load_full())
    }
}

impl Write for Every {
    /// A full disk or a closed pipe keeps the line from no other output.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        for output in self.0.iter() {
            let _ = match output {
                Open::Stderr => io::stderr().write_all(line),
                Open::Stdout => io::stdout().write_all(line),
                Open::File(file) => (&mut &*file).write_all(line),
            };
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_to_every_output_and_change_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| folder.path().join(name));
        std::fs::write(&one, "before\n").unwrap();
        let outputs = Outputs::open(&[LogOutput::File(one.clone()), LogOutput::File(two.clone())]).unwrap();
        outputs.make_writer().write_all(b"first\n").unwrap();
        let nowhere = LogOutput::File(folder.path().join("no/such"));
        assert_eq!(outputs.change(&[nowhere]).unwrap_err().0, folder.path().join("no/such"));
        outputs.make_writer().write_all(b"second\n").unwrap();
        outputs.change(&[LogOutput::File(three.clone())]).unwrap();
        outputs.make_writer().write_all(b"third\n").unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&one), "before\nfirst\nsecond\n");
        assert_eq!(read(&two), "first\nsecond\n");
        assert_eq!(read(&three), "third\n");
    }
}
