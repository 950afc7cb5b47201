//! Limits: no zero where it makes no sense, nothing that no machine could hold.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::problem::{Problem, Problems};
use super::super::typed::{At, Keyed};
use super::super::{scalar, schema};
use super::{number, parsed, within};
use crate::limits::Limits;

type Typed = Option<At<String>>;

pub(super) fn check(typed: &Keyed<schema::Limits>, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(typed) = typed.open(problems) else { return limits };
    let mut times = Setter { problems: &mut *problems, bounds: millis(10)..=hours(1) };
    times.duration(&typed.first_byte, &mut limits.first_byte);
    times.duration(&typed.handshake, &mut limits.handshake);
    times.duration(&typed.head, &mut limits.head);
    times.duration(&typed.connect, &mut limits.connect);
    times.duration(&typed.upstream_user_timeout, &mut limits.upstream_user_timeout);
    times.duration(&typed.upstream_ping_timeout, &mut limits.upstream_ping_timeout);
    times.bounds = millis(10)..=hours(24);
    times.duration(&typed.idle, &mut limits.idle);
    times.duration(&typed.body, &mut limits.body);
    times.duration(&typed.response_head, &mut limits.response_head);
    times.duration(&typed.tunnel, &mut limits.tunnel);
    times.duration(&typed.upstream_idle, &mut limits.upstream_idle);
    times.duration(&typed.upstream_ping, &mut limits.upstream_ping);
    // Zero: whoever sends SIGTERM does not wait.
    times.bounds = Duration::ZERO..=hours(24);
    times.duration(&typed.linger, &mut limits.linger);
    times.duration(&typed.shutdown, &mut limits.shutdown);
    times.bounds = Duration::ZERO..=hours(1);
    times.duration(&typed.shutdown_grace, &mut limits.shutdown_grace);
    sizes(typed, &mut limits, problems);
    counts(typed, &mut limits, problems);
    limits
}

fn sizes(typed: &schema::Limits, limits: &mut Limits, problems: &mut Problems) {
    let mut sizes = Setter { problems: &mut *problems, bounds: 1024..=1024 * 1024 };
    sizes.size(&typed.head_size, &mut limits.head_size);
    sizes.size(&typed.target_size, &mut limits.target_size);
    sizes.bounds = 1024..=64 * 1024 * 1024;
    sizes.size(&typed.http2_heads, &mut limits.http2_heads);
    if limits.target_size > limits.head_size {
        let message =
            format!("the target is part of the head, which is {} at most", scalar::show_size(limits.head_size));
        let typed = typed.target_size.as_ref().or(typed.head_size.as_ref());
        problems.push(Problem::error(typed.map(|text| text.place), message).hint("target_size ≤ head_size".to_owned()));
    }
}

fn counts(typed: &schema::Limits, limits: &mut Limits, problems: &mut Problems) {
    let mut counts = Setter { problems, bounds: 1..=1_000_000 };
    counts.count(&typed.streams, &mut limits.streams);
    counts.count(&typed.connections, &mut limits.connections);
    counts.count(&typed.requests, &mut limits.requests);
    counts.count(&typed.upstream_connections, &mut limits.upstream_connections);
    counts.bounds = 1..=1000;
    counts.count(&typed.upstream_streams, &mut limits.upstream_streams);
    // Fewer, and a browser's usual ones would be too many.
    counts.bounds = 100..=1_000_000;
    counts.count(&typed.http2_frames, &mut limits.http2_frames);
    counts.bounds = 1..=100_000_000;
    counts.count(&typed.sessions, &mut limits.sessions);
    // Zero: no connection is kept, no request waits.
    counts.bounds = 0..=1_000_000;
    counts.count(&typed.upstream_idle_connections, &mut limits.upstream_idle_connections);
    counts.count(&typed.held_per_endpoint, &mut limits.held_per_endpoint);
    counts.count(&typed.held_per_session, &mut limits.held_per_session);
    counts.count(&typed.held, &mut limits.held);
}

/// Sets limits that were typed, if they are within bounds.
struct Setter<'p, T> {
    problems: &'p mut Problems,
    bounds: RangeInclusive<T>,
}

impl Setter<'_, Duration> {
    fn duration(&mut self, typed: &Typed, limit: &mut Duration) {
        set(typed, limit, |text| duration(text, self.bounds.clone(), self.problems));
    }
}

impl Setter<'_, usize> {
    fn size(&mut self, typed: &Typed, limit: &mut usize) {
        set(typed, limit, |text| {
            let size = parsed(text, scalar::size, self.problems)?;
            within(size, self.bounds.clone(), text.place, |size| scalar::show_size(*size), self.problems)
        });
    }
}

impl Setter<'_, u64> {
    fn count(&mut self, typed: &Typed, limit: &mut usize) {
        set(typed, limit, |text| usize::try_from(number(text, self.bounds.clone(), self.problems)?).ok());
    }
}

fn set<T>(typed: &Typed, limit: &mut T, read: impl FnOnce(&At<String>) -> Option<T>) {
    if let Some(value) = typed.as_ref().and_then(read) {
        *limit = value;
    }
}

/// A duration within bounds.
pub(super) fn duration(
    text: &At<String>,
    bounds: RangeInclusive<Duration>,
    problems: &mut Problems,
) -> Option<Duration> {
    let duration = parsed(text, scalar::duration, problems)?;
    within(duration, bounds, text.place, |duration| scalar::show_duration(*duration), problems)
}

const fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

const fn hours(number: u64) -> Duration {
    Duration::from_secs(number * 60 * 60)
}
