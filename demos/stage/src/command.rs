//! What can be typed while the demo runs.

use std::fmt::Write;
use std::str::FromStr;

use anyhow::{Context, bail};

use crate::stage::{Manner, Stage};

/// A line that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Something that is done at once.
    Do(Verb, String),
    /// All instances are replaced, one by one, each when its last session has ended.
    Roll,
    Sessions,
    File,
    Help,
    Quit,
}

/// What can be done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Drain,
    Undrain,
    Kill,
    Start,
    Restart,
}

impl FromStr for Command {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let command = match word {
            "drain" | "undrain" | "kill" | "start" | "restart" => {
                let name = words.next().with_context(|| format!("{word} whom? As in: {word} posts-1"))?;
                let verb = match word {
                    "drain" => Verb::Drain,
                    "undrain" => Verb::Undrain,
                    "kill" => Verb::Kill,
                    "start" => Verb::Start,
                    _ => Verb::Restart,
                };
                Self::Do(verb, name.to_owned())
            }
            "roll" => Self::Roll,
            "sessions" => Self::Sessions,
            "file" => Self::File,
            "help" | "?" => Self::Help,
            "quit" | "exit" | "q" => Self::Quit,
            _ => bail!("{word:?} is no command; help lists them"),
        };
        match words.next() {
            Some(more) => bail!("{more:?} is one word too many; help lists the commands"),
            None => Ok(command),
        }
    }
}

impl Verb {
    /// Does it, and says what happens now.
    pub(crate) async fn perform(self, stage: &Stage, name: &str) -> anyhow::Result<String> {
        Ok(match self {
            Self::Drain => {
                stage.drain(name, true)?;
                format!("{name} drains: its sessions stay, newcomers go elsewhere")
            }
            Self::Undrain => {
                stage.drain(name, false)?;
                format!("{name} takes newcomers again")
            }
            Self::Kill => {
                stage.kill(name).await?;
                format!("{name} is gone with its memory; requests of its sessions wait for it: start {name}")
            }
            Self::Start => {
                let address = stage.start(name).await?;
                format!("{name} is back at {address}, and remembers nobody")
            }
            Self::Restart => {
                let lost = stage.replace(name, Manner::AtOnce).await?;
                format!("{name} has restarted at another address; sessions lost with its memory: {lost}")
            }
        })
    }
}

/// Who is moored where.
pub(crate) fn sessions(stage: &Stage) -> String {
    let mut text = format!("{:10}{:18}{:10}{:>8}{:>16}\n", "instance", "address", "", "moored", "in its memory");
    for seen in stage.endpoints() {
        let condition = match (seen.remembered, seen.drains) {
            (None, _) => "down",
            (_, true) => "draining",
            (_, false) => "ready",
        };
        let (address, remembered) = (seen.address.to_string(), seen.remembered.unwrap_or(0));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:10}{address:18}{condition:10}{:>8}{remembered:>16}", seen.name, seen.moored);
    }
    text + "A session is moored, for Moorline, once its cookie has come back."
}

/// What there is to type.
pub(crate) const HELP: &str = "\
drain posts-1     it keeps its sessions and gets no new ones
undrain posts-1   it gets new ones again
kill posts-1      it crashes: its socket and its memory are gone
start posts-1     another one starts under its name, at another address
restart posts-1   it ends in order, and another one starts under its name
roll              drains and replaces all three, one by one, each when its last session has ended
sessions          who is moored where
file              the configuration file that is in force
quit              or Ctrl-C";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_says_why_not() {
        let parsed = |line: &str| line.parse::<Command>().map_err(|error| error.to_string());
        assert_eq!(parsed(" drain  posts-1 "), Ok(Command::Do(Verb::Drain, "posts-1".to_owned())));
        assert_eq!(parsed("sessions"), Ok(Command::Sessions));
        assert_eq!(parsed("kill"), Err("kill whom? As in: kill posts-1".to_owned()));
        assert_eq!(parsed("dance"), Err("\"dance\" is no command; help lists them".to_owned()));
        assert!(parsed("kill posts-1 posts-2").is_err_and(|error| error.contains("one word too many")));
    }

    #[test]
    fn help_lists_every_command() {
        for line in HELP.lines() {
            let typed = line.split("  ").next().unwrap_or_default();
            assert!(typed.parse::<Command>().is_ok(), "{typed:?}");
        }
    }
}
