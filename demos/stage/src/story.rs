//! A fixed scenario, played three times by the same users: what do they lose when the instances are rolled?
//!
//! A first wave of users logs in. Then one instance after the other is replaced, its memory gone, while the next wave
//! arrives; every user makes a known number of requests, checks each answer, and logs out. They are real HTTP clients on
//! real sockets, and the only ones who count.
//!
//! Users, waves, requests and seeds are the same in every run; when exactly a request meets a restart is not. So the sessions
//! that are lost in the middle row vary; and without a drain a POST may now and then meet the very moment in which its
//! connection is closed, which is a 502: nobody can know whether it was processed, so it is not sent again.

mod act;
mod user;

use std::io::Write;

use self::act::Act;
pub use self::act::Row;

/// How large the story is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Users in each of the three rows.
    pub users: usize,
    /// Requests that each of them makes between login and logout.
    pub requests: usize,
}

/// The story, told.
#[derive(Clone, Debug)]
pub struct Story {
    /// Round robin; sticky; sticky with drains.
    pub rows: Vec<Row>,
}

impl Default for Scale {
    fn default() -> Self {
        Self { users: 48, requests: 20 }
    }
}

impl Story {
    /// Did the users of the last row lose nothing, and does everybody's count of requests agree?
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rows.iter().all(|row| row.complaints().is_empty())
    }
}

/// Plays it, and writes the table as it grows.
///
/// # Errors
/// If the stage cannot be set, or nothing can be written.
pub async fn tell(scale: &Scale, out: &mut impl Write) -> anyhow::Result<Story> {
    let Scale { users, requests } = scale;
    writeln!(
        out,
        "{users} users log in, make {requests} requests each and log out, while three instances are replaced"
    )?;
    writeln!(out, "one by one, their memory gone. Each row is played with the same users.\n")?;
    writeln!(out, "{:24}{:>10}{:>15}{:>8}{:>8}", "", "requests", "lost sessions", "errors", "moved")?;
    let mut rows = Vec::new();
    for act in Act::ALL {
        let row = act.play(scale).await?;
        writeln!(out, "{row}")?;
        rows.push(row);
    }
    writeln!(
        out,
        "\nlost: a user got 403, or not exactly the posts that they had written; moved: got to see several instances"
    )?;
    for row in &rows {
        for error in row.tally.errors.iter().take(SHOWN) {
            writeln!(out, "{}: {error}", row.name())?;
        }
    }
    for complaint in rows.iter().flat_map(Row::complaints) {
        writeln!(out, "NOT CLEAN: {complaint}")?;
    }
    Ok(Story { rows })
}

/// Errors of a row that are told one by one.
const SHOWN: usize = 5;
