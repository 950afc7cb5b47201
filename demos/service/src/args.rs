//! What the arguments of all services share.

use std::time::Duration;

use crate::InstanceName;

/// The name that was typed, or else `$HOSTNAME` (in Kubernetes the pod's name), or else what the service is called.
///
/// # Panics
/// If `service` is not a name for an instance; it is a literal.
pub fn name(typed: Option<&InstanceName>, hostname: Option<String>, service: &'static str) -> InstanceName {
    let fallback = || hostname.and_then(|hostname| hostname.parse().ok());
    typed.cloned().or_else(fallback).unwrap_or_else(|| service.parse().expect("a good name"))
}

/// Reads a time as people type it: `30s`, `500ms`, `2m`, or a plain number of seconds.
///
/// # Errors
/// What was expected instead.
pub fn duration(typed: &str) -> Result<Duration, String> {
    let digits = typed.len() - typed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = typed.split_at(digits);
    let number = number.parse::<u64>().ok();
    let duration = match unit {
        "ms" => number.map(Duration::from_millis),
        "s" | "" => number.map(Duration::from_secs),
        "m" => number.and_then(|minutes| minutes.checked_mul(60)).map(Duration::from_secs),
        _ => None,
    };
    duration.ok_or_else(|| "expected a whole number with ms, s or m, such as 30s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_was_typed_then_the_host_then_the_service() {
        let typed = "posts-1".parse().expect("good");
        let name = |typed, hostname: Option<&str>| name(typed, hostname.map(str::to_owned), "posts").to_string();
        assert_eq!(name(Some(&typed), Some("pod-7")), "posts-1");
        assert_eq!(name(None, Some("pod-7")), "pod-7");
        assert_eq!(name(None, Some("not a name")), "posts");
        assert_eq!(name(None, None), "posts");
    }

    #[test]
    fn durations_are_a_number_with_a_unit() {
        for (typed, expected) in [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("0", 0)] {
            assert_eq!(duration(typed), Ok(Duration::from_millis(expected)), "{typed:?}");
        }
        for bad in ["", "s", "-1s", "1h30", "1.5s", "99999999999999999999s", "9999999999999999999m", "١s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
