//! The commands of a README, run as they stand there.

use std::{path::Path, process::Command};

/// Runs the lines of the block between `<!-- name -->` and `<!-- /name -->`, one after the other, in `folder`. What a line's
/// output has to contain stands behind its `#`; `…` there is anything. `replaced` says what things are really called.
/// Returns how many lines there were.
///
/// # Panics
/// If a command fails, or says something else.
pub fn walk(readme: &str, name: &str, folder: &Path, replaced: &[(&str, &str)]) -> usize {
    let (_, rest) = readme.split_once(&format!("<!-- {name} -->")).expect("a block of this name");
    let (block, _) = rest.split_once(&format!("<!-- /{name} -->")).expect("the block's end");
    let lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with("```"));
    lines.map(|line| step(line, folder, replaced)).count()
}

fn step(line: &str, folder: &Path, replaced: &[(&str, &str)]) {
    let (command, expected) = line.rsplit_once(" # ").expect("a command with what it says");
    let command = replaced.iter().fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
    // curl's progress is not what the README is about.
    let command = command.replacen("curl ", "curl -sS ", 1);
    let output =
        Command::new("timeout").args(["900", "sh", "-c"]).arg(&command).current_dir(folder).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{command}` ended with {}:\n{said}", output.status);
    let mut rest = said.as_str();
    for part in expected.trim().split('…') {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{command}` did not say {part:?}:\n{said}"));
        rest = &rest[at + part.len()..];
    }
}
