//! Browsers that take `SameSite=None` for `SameSite=Strict`, or refuse such a cookie: those that ingress-nginx knows of,
//! from [Chromium's list](https://www.chromium.org/updates/same-site/incompatible-clients). Pure.

use http::HeaderValue;

/// Is the attribute better kept from whoever calls itself this? Who says nothing gets it.
pub(super) fn shuns_none(user_agent: Option<&HeaderValue>) -> bool {
    let agent = user_agent.map_or(&b""[..], HeaderValue::as_bytes);
    let says = |words: &str| agent.windows(words.len()).any(|window| window == words.as_bytes());
    ["Chrome/4", "Chrome/5", "Chrome/6", "CPU iPhone OS 12", "iPad; CPU OS 12"].into_iter().any(says)
        || (says("Macintosh") && says("Intel Mac OS X 10_14") && says("Safari") && !says("Chrome"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(user_agent: &'static str, expected: bool) {
        assert_eq!(shuns_none(Some(&HeaderValue::from_static(user_agent))), expected, "{user_agent}");
    }

    #[test]
    fn browsers_that_misread_the_attribute_are_known() {
        check(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.79 Safari/537.36",
            true,
        );
        check(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/66.0.3359.117 Safari/537.36",
            true,
        );
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 12_2 like Mac OS X) AppleWebKit/605.1.15 Version/12.1 Mobile Safari/604.1",
            true,
        );
        check(
            "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 Version/12.1 Mobile Safari/604.1",
            true,
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Safari/605.1.15",
            true,
        );
    }

    #[test]
    fn all_others_get_it() {
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_4) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.87 Safari/537.36",
            false,
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_3) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15",
            false,
        );
        check("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", false);
        check("", false);
        assert!(!shuns_none(None));
    }
}
