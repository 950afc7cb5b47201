//! Hosts as `Host` and absolute targets name them: a name or an address, and a port. Narrower than RFC 3986 on
//! purpose: what DNS does not know (`%`, `,`, `;` and the like) only helps to confuse.

use std::net::Ipv6Addr;

/// Is this a host name or an address, with or without a port?
pub(in crate::proxy) fn is_valid(text: &[u8]) -> bool {
    let (host_is_valid, rest) = match text.strip_prefix(b"[") {
        Some(inside) => {
            let Some(end) = inside.iter().position(|byte| *byte == b']') else { return false };
            let address = str::from_utf8(&inside[..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
            (address.is_some(), &inside[end + 1..])
        }
        None => {
            let end = text.iter().position(|byte| !NAME_BYTES[usize::from(*byte)]).unwrap_or(text.len());
            (end > 0, &text[end..])
        }
    };
    host_is_valid
        && match rest.split_first() {
            None => true,
            Some((b':', port)) => is_port(port),
            Some(_) => false,
        }
}

fn is_port(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0')) <= u32::from(u16::MAX)
}

const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};
