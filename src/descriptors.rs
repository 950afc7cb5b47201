//! File descriptors: how many there may be, and when they run out.
//!
//! ## Why some are kept back
//! A proxy that has used up its descriptors cannot be asked what is wrong: neither is there one for the connection of who
//! asks, nor for the file that would help. So clients and endpoints get all but the last ones.
//!
//! ## Why nobody counts
//! The kernel gives out the lowest number that is free (POSIX, `accept`, `socket`). Whoever is given a high one knows
//! that all below it are in use, by whomever. A count of ours would know of our connections only.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So many are kept back, unless that would be more than a quarter.
pub(crate) const RESERVE: usize = 64;
/// So many are for clients that are turned away, unless that would be more than an eighth.
pub(crate) const REFUSALS: usize = 256;

/// Allows this process as many as it may allow itself: the lower limit is one for programs that use `select`.
///
/// # Errors
/// If the system does not want to.
pub fn raise() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// How many there may be.
#[must_use]
pub fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current;
    current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// So many clients can be served if each needs a connection to an endpoint, too, and the process itself needs `own`.
#[must_use]
pub fn clients(own: usize) -> usize {
    let limit = limit();
    (limit.saturating_sub(reserve(limit) + refusals(limit) + own) / 2).max(1)
}

/// Has the system make room for the descriptors of so many clients, by taking the highest of them for a moment for what `sample`
/// names.
///
/// # Errors
/// If the system does not want to. It makes room when it has to, then.
pub fn make_room(sample: &impl AsFd, clients: usize) -> io::Result<()> {
    let last = last(clients, limit());
    drop(fcntl_dupfd_cloexec(sample, i32::try_from(last).unwrap_or(i32::MAX))?);
    Ok(())
}

/// About the highest number that is given out while so many clients are served: with two for each, those of clients that are told
/// that they cannot be, and the reserve, which is more than the process itself needs.
fn last(clients: usize, limit: usize) -> usize {
    clients.saturating_mul(2).saturating_add(refusals(limit) + reserve(limit)).min(limit).saturating_sub(1)
}

/// So many clients may be told, at a time, that they cannot be served.
#[must_use]
pub fn for_refusals() -> usize {
    refusals(limit())
}

/// Is this one of the last ones? Then nobody but the administration should have it.
pub fn is_reserved(descriptor: &impl AsFd) -> bool {
    let limit = limit();
    usize::try_from(descriptor.as_fd().as_raw_fd()).is_ok_and(|number| number >= limit - reserve(limit))
}

/// Did it fail because this process or this system has no more of something, and not because of the other side?
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    let ours = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    Errno::from_io_error(error).is_some_and(|error| ours.contains(&error))
}

/// What the system says when there is none left, for whoever leaves the last ones alone.
#[must_use]
pub fn exhausted() -> io::Error {
    Errno::MFILE.into()
}

/// How many there are, of so many, for who is turned away.
fn refusals(limit: usize) -> usize {
    REFUSALS.min(limit / 8)
}

/// How many are kept back, of so many.
fn reserve(limit: usize) -> usize {
    RESERVE.min(limit / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_back_and_never_all() {
        for (limit, kept, turned_away) in
            [(0, 0, 0), (3, 0, 0), (64, 16, 8), (256, 64, 32), (1024, 64, 128), (1_048_576, 64, 256)]
        {
            assert_eq!((reserve(limit), refusals(limit)), (kept, turned_away), "{limit}");
        }
    }

    #[test]
    fn a_low_number_is_nobodys_reserve() {
        raise().expect("the own limit");
        assert!(limit() > 64 && clients(0) < limit() && clients(usize::MAX / 2) == 1);
        assert!(!is_reserved(&io::stdin()));
    }

    #[test]
    fn room_is_made_for_as_many_as_there_may_be() {
        assert_eq!((last(usize::MAX, 1024), last(100, 1024), last(0, 0)), (1023, 391, 0));
        make_room(&io::stderr(), 1000).expect("room for some");
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).expect("the size of the table");
            assert!(size.trim().parse::<usize>().expect("a number") >= limit().min(2000), "{size}");
        }
    }

    #[test]
    fn what_is_our_own_fault_is_not_the_other_sides() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(is_exhausted(&error(Errno::MFILE)) && is_exhausted(&error(Errno::NFILE)));
        assert!(!is_exhausted(&error(Errno::CONNREFUSED)) && !is_exhausted(&io::Error::other("?")));
    }
}
