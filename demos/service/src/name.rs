//! An instance's name, which ends up in a response header: checked once, at the door, and trusted from there on.

use std::{fmt, str::FromStr};

use axum::http::HeaderValue;

/// The name of one instance, such as `posts-0`; in Kubernetes the pod's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceName {
    name: String,
    header: HeaderValue,
}

impl InstanceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The name as the value of `X-Served-By`.
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl FromStr for InstanceName {
    type Err = InstanceNameError;

    fn from_str(name: &str) -> Result<Self, InstanceNameError> {
        let fits = (1..=253).contains(&name.len());
        if !fits || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err(InstanceNameError);
        }
        let header = HeaderValue::from_str(name).map_err(|_| InstanceNameError)?;
        Ok(Self { name: name.to_owned(), header })
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Not the name of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of an instance is 1 to 253 of the characters a-z, A-Z, 0-9, '-', '.' and '_'")]
pub struct InstanceNameError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_name_is_safe_in_a_header() {
        for good in ["posts-0", "a", "posts_0.example.org"] {
            assert_eq!(good.parse::<InstanceName>().expect("good").as_str(), good);
        }
        for bad in ["", "posts 0", "posts\r\nx: y", "pösts", &"p".repeat(254)] {
            assert_eq!(bad.parse::<InstanceName>(), Err(InstanceNameError), "{bad:?}");
        }
    }
}
