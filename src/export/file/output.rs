//! One open file: records whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::config::Rotation;
use super::rotate;

/// A file that records are appended to.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: fs::File,
    rotation: Option<Rotation>,
}

impl Output {
    /// Opens a file as it is, for [`Self::begin`].
    pub(super) fn look(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, rotation: None })
    }

    /// From now on it is written to. It is emptied unless `keep`; with rotation what is there is always continued.
    pub(super) fn begin(&mut self, keep: bool, rotation: Option<Rotation>) -> io::Result<()> {
        if !keep && rotation.is_none() && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.set_rotation(rotation);
        Ok(())
    }

    /// When it is put aside, from now on.
    pub(super) fn set_rotation(&mut self, rotation: Option<Rotation>) {
        if let Some(rotation) = &rotation {
            rotate::remove_old(&self.path, rotation, SystemTime::now());
        }
        self.rotation = rotation;
    }

    /// Appends a record. When that fails, what was written of it is taken back, so that the next one can be read.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let mut length = self.file.metadata()?.len();
        if let Some(rotation) = self.rotation
            && length > 0
            && length.saturating_add(record.len() as u64) > rotation.max_bytes
        {
            self.rotate(&rotation)?;
            length = self.file.metadata()?.len();
        }
        self.file.write_all(record).inspect_err(|_| {
            // Pipes and terminals have no length; there is nothing to take back.
            let _ = self.file.set_len(length);
        })
    }

    fn rotate(&mut self, rotation: &Rotation) -> io::Result<()> {
        let now = SystemTime::now();
        // It may be gone already, when the last attempt put it aside and could not open the next.
        if self.path.try_exists()? {
            rotate::put_aside(&self.path, now)?;
        }
        self.file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        rotate::remove_old(&self.path, rotation, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, keep: bool, rotation: Option<Rotation>) -> io::Result<Output> {
        let mut output = Output::look(path)?;
        output.begin(keep, rotation)?;
        Ok(output)
    }

    #[test]
    fn a_file_is_emptied_or_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (keep, expected) in [(false, "x"), (true, "xx"), (false, "x")] {
            open(&path, keep, None).unwrap().write(b"x").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }

    #[test]
    fn a_file_that_would_get_too_large_is_put_aside_and_a_record_is_never_divided() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old\n").unwrap();
        let rotation = Rotation { max_bytes: 10, max_age: None, max_backups: 0 };
        let mut output = open(&path, false, Some(rotation)).unwrap();
        for record in ["12345\n", "a record too large for any file\n", "6\n", "7\n"] {
            output.write(record.as_bytes()).unwrap();
        }
        let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        assert_eq!(texts, ["old\n12345\n", "a record too large for any file\n", "6\n7\n"]);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut full = open(Path::new("/dev/full"), false, None).unwrap();
        assert_eq!(full.write(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
