//! The file: lines are appended, and it is rotated by size. Synchronous; one thread owns it.
//!
//! # What it does about trouble
//!
//! A write that fails leaves nothing behind: the file is cut to where it was. If even that fails, or the process is killed in
//! the middle of a line, the next one to open it ends that line first, so that the next line is whole. After any failure the
//! file is opened anew, which is all it takes once there is room again, or a disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

/// Where lines go, and how many are kept.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// The file. Its folder has to be there.
    pub path: PathBuf,
    /// It is rotated before it gets longer than this.
    pub max_bytes: u64,
    /// How many old ones are kept beside it, as `app.log.1` (the newest), `app.log.2`, …
    pub keep: u8,
}

impl FileSettings {
    /// So much is kept unless something else is asked for: six files of 10 MiB at most.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 10 << 20, keep: 5 }
    }
}

#[derive(Debug)]
pub(crate) struct LogFile {
    settings: FileSettings,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Touches nothing yet: a disk that is not there now may be there for the first line.
    pub(crate) fn new(settings: FileSettings) -> Self {
        Self { settings, open: None }
    }

    /// Appends a line. Afterwards it is in the file as a whole, or not at all.
    pub(crate) fn append(&mut self, line: &str) -> io::Result<()> {
        let result = self.write(&format!("{line}\n"));
        if result.is_err() {
            self.open = None;
        }
        result
    }

    /// Would a line of so many bytes fit? It is written, and cut off again.
    pub(crate) fn rehearse(&mut self, length: usize) -> io::Result<()> {
        self.append(&" ".repeat(length))?;
        let Open { file, bytes } = self.opened()?;
        *bytes -= length as u64 + 1;
        file.set_len(*bytes)
    }

    /// The last lines, oldest first, as text: at most so many, and as long as their files' bytes fit into `bytes`. Those of old
    /// files count. What is not UTF-8 becomes longer as text.
    pub(crate) fn tail(&self, lines: usize, bytes: usize) -> io::Result<String> {
        let (mut tail, mut missing) = (String::new(), lines);
        for number in 0..=self.settings.keep {
            let room = bytes.saturating_sub(tail.len());
            let Some(part) = read_tail(self.path(number), missing, room)? else { break };
            missing -= part.lines;
            let is_last = missing == 0 || part.is_cut;
            tail.insert_str(0, &part.text);
            if is_last {
                break;
            }
        }
        Ok(tail)
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64;
        if self.opened()?.bytes.saturating_add(length) > self.settings.max_bytes {
            self.rotate()?;
        }
        let Open { file, bytes } = self.opened()?;
        if let Err(error) = file.write_all(line.as_bytes()) {
            // Part of it may be there. If it cannot be cut off now, `mend` ends it later.
            let _ = file.set_len(*bytes);
            return Err(error);
        }
        *bytes += length;
        Ok(())
    }

    fn opened(&mut self) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::at(self.path(0))?,
        };
        Ok(self.open.insert(open))
    }

    /// Every file takes the place of the next older one. An empty file stays: its first line is longer than any may be.
    fn rotate(&mut self) -> io::Result<()> {
        if self.opened()?.bytes == 0 {
            return Ok(());
        }
        self.open = None;
        for number in (0..self.settings.keep).rev() {
            match fs::rename(self.path(number), self.path(number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where the file is, or an old one.
    fn path(&self, number: u8) -> PathBuf {
        let mut path = self.settings.path.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }
}

impl Open {
    fn at(path: PathBuf) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let bytes = file.metadata()?.len();
        let mended = mend(&mut file, bytes)?;
        Ok(Self { file, bytes: bytes + mended })
    }
}

/// Ends a line that was left half-way. Returns how many bytes that took.
fn mend(file: &mut File, bytes: u64) -> io::Result<u64> {
    if bytes == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(bytes - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(0);
    }
    file.write_all(b"\n")?;
    Ok(1)
}

/// The end of one file.
struct Part {
    text: String,
    lines: usize,
    /// Is there more in the file, for which there was no room?
    is_cut: bool,
}

/// Reads the last lines of a file; none if there is no file.
fn read_tail(path: PathBuf, lines: usize, room: usize) -> io::Result<Option<Part>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let start = file.metadata()?.len().saturating_sub(room as u64);
    // One byte before, to see whether a line begins there.
    file.seek(SeekFrom::Start(start.saturating_sub(1)))?;
    let mut bytes = Vec::new();
    file.take(room as u64 + 1).read_to_end(&mut bytes)?;
    let is_cut = start > 0;
    let begin = if is_cut { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) } else { 0 };
    // What does not end has been left half-way.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(begin, |at| at + 1).max(begin);
    let whole = &bytes[begin..end];
    let mut ends = whole.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    // The end of the line before the first one that is wanted.
    let from = ends.nth(lines).unwrap_or(0);
    let text = String::from_utf8_lossy(&whole[from..]).into_owned();
    Ok(Some(Part { lines: whole[from..].iter().filter(|byte| **byte == b'\n').count(), text, is_cut }))
}

#[cfg(test)]
mod tests;
