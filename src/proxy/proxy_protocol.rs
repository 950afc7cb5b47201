//! The header by which a load balancer that moves bytes says whose they are: the PROXY protocol of HAProxy
//! (doc/proxy-protocol.txt), versions 1 and 2. Pure; sections are those of that text.
//!
//! It is read to its end and not a byte further, and taken exactly: what is not written as the text has it is broken, and
//! nothing is guessed. Of version 2 only the client's address is used; what may follow it (§2.2, TLVs) has to be well-formed
//! and is skipped, its checksum, too: TCP has one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest line of version 1 with its end (§2.1).
pub(super) const MAX_LINE: usize = 107;
const V1: &[u8] = b"PROXY ";
/// How version 2 begins (§2.2).
const V2: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of version 2.
const FIXED: usize = 16;
/// The longest variable part that is taken: a certificate's worth of TLVs, and not the 64 KiB that could be announced.
pub(super) const MAX_BLOCK: usize = 4096;

/// What there is so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// All of it belongs to the header, which goes on.
    Incomplete,
    /// A header.
    Complete {
        /// Whose connection it is; none: the load balancer's own, or of somebody that it does not name.
        client: Option<SocketAddr>,
        /// So long is the header.
        length: usize,
    },
}

/// Why a connection does not begin as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// §2.2, at its end: neither version.
    #[error("there is no PROXY header")]
    Missing,
    /// The peer ended the connection within it.
    #[error("the PROXY header is cut off")]
    CutOff,
    /// §2.1: 107 bytes at most; of version 2, what we take.
    #[error("the PROXY header is too long")]
    TooLong,
    /// §2.1: CR and LF end the line, together.
    #[error("the line of the PROXY header ends with a bare CR or LF")]
    LineEnd,
    /// §2.1: the fields of the line, each behind one blank.
    #[error("the line of the PROXY header has other fields")]
    Fields,
    /// §2.1: the canonical form of an address of the family.
    #[error("the PROXY header has no address of its family")]
    Address,
    /// §2.1: decimal, without leading zeros.
    #[error("the PROXY header has no port")]
    Port,
    /// §2.2: the 13th byte.
    #[error("the PROXY header has an unknown version or command")]
    Command,
    /// §2.2: the 14th byte.
    #[error("the PROXY header has an unknown family or protocol")]
    Family,
    /// §2.2: the addresses need more than is announced.
    #[error("the PROXY header is shorter than its addresses")]
    TooShort,
    /// §2.2: what follows the addresses.
    #[error("the extensions of the PROXY header do not end where it does")]
    Extensions,
}

/// Reads a header from the beginning of a connection.
///
/// # Errors
/// As soon as it cannot become one.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    if bytes.starts_with(&V2) {
        binary(bytes)
    } else if bytes.starts_with(V1) {
        text(bytes)
    } else if V1.starts_with(bytes) || V2.starts_with(bytes) {
        Ok(Parsed::Incomplete)
    } else {
        Err(Broken::Missing)
    }
}

/// §2.1
fn text(bytes: &[u8]) -> Result<Parsed, Broken> {
    let within = &bytes[..bytes.len().min(MAX_LINE)];
    let is_full = within.len() == MAX_LINE;
    let Some(end) = within.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if is_full { Err(Broken::TooLong) } else { Ok(Parsed::Incomplete) };
    };
    match (within[end], within.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if is_full => return Err(Broken::TooLong),
        (b'\r', None) => return Ok(Parsed::Incomplete),
        _ => return Err(Broken::LineEnd),
    }
    let line = &within[V1.len()..end];
    // Whatever follows this word is nobody's business.
    let client = if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") { None } else { Some(fields(line)?) };
    Ok(Parsed::Complete { client, length: end + 2 })
}

fn fields(line: &[u8]) -> Result<SocketAddr, Broken> {
    let line = str::from_utf8(line).map_err(|_| Broken::Fields)?;
    let mut fields = line.split(' ');
    let mut next = || fields.next().ok_or(Broken::Fields);
    let (family, source, destination, from, to) = (next()?, next()?, next()?, next()?, next()?);
    if fields.next().is_some() {
        return Err(Broken::Fields);
    }
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| Broken::Address),
        "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| Broken::Address),
        _ => Err(Broken::Fields),
    };
    let source = address(source)?;
    address(destination)?;
    port(to)?;
    Ok(SocketAddr::new(source, port(from)?))
}

fn port(text: &str) -> Result<u16, Broken> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_canonical).ok_or(Broken::Port)
}

/// §2.2
fn binary(bytes: &[u8]) -> Result<Parsed, Broken> {
    let Some(&[command, family, high, low]) = bytes.get(V2.len()..FIXED) else { return Ok(Parsed::Incomplete) };
    if !matches!(command, 0x20 | 0x21) {
        return Err(Broken::Command);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_BLOCK {
        return Err(Broken::TooLong);
    }
    let Some(block) = bytes.get(FIXED..FIXED + length) else { return Ok(Parsed::Incomplete) };
    // LOCAL: the balancer's own connection, and the rest is ignored, whatever it is.
    let client = if command == 0x20 { None } else { addresses(family, block)? };
    Ok(Parsed::Complete { client, length: FIXED + length })
}

/// The client of a proxied connection, if it is one of TCP.
fn addresses(family: u8, block: &[u8]) -> Result<Option<SocketAddr>, Broken> {
    let size = match family {
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        // Unspecified: nobody says where the addresses end.
        0x00..=0x02 | 0x10 | 0x20 | 0x30 => return Ok(None),
        _ => return Err(Broken::Family),
    };
    let (addresses, extensions) = block.split_at_checked(size).ok_or(Broken::TooShort)?;
    skip(extensions)?;
    Ok(match (family, addresses) {
        (0x11, &[a, b, c, d, _, _, _, _, high, low, ..]) => {
            Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
        }
        (0x21, _) => source6(addresses),
        // Of another protocol than this connection's: as good as unspecified.
        _ => None,
    })
}

fn source6(addresses: &[u8]) -> Option<SocketAddr> {
    let source: &[u8; 16] = addresses.first_chunk()?;
    let port: &[u8; 2] = addresses.get(32..34)?.first_chunk()?;
    Some(SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes(*port)))
}

/// Type, length, value: as many as there are.
fn skip(mut extensions: &[u8]) -> Result<(), Broken> {
    while !extensions.is_empty() {
        let &[_, high, low, ref rest @ ..] = extensions else { return Err(Broken::Extensions) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        extensions = rest.get(length..).ok_or(Broken::Extensions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
