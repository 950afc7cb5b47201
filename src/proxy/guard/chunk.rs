//! A body in chunks, as far as its last one; what may follow that is a section of fields.
//!
//! ## Why extensions are refused
//! hyper would drop them, so nobody behind us could see them anyway, nobody in front of us needs them, and where
//! one ends is what readers have disagreed about most.

use super::rules::Rule;

/// Where in the body we are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunk {
    /// A size, of which so many digits have come.
    Size { size: u64, digits: u8 },
    /// The LF behind a size.
    SizeEnd(u64),
    /// Data, so much of it still to come.
    Data(u64),
    /// The CR behind the data.
    DataCr,
    /// The LF behind that.
    DataLf,
    /// The last chunk has come.
    Last,
}

impl Chunk {
    pub(super) const FIRST: Self = Self::Size { size: 0, digits: 0 };

    /// Follows the body until the bytes end, or the chunks, or just before what breaks a rule; returns how far.
    ///
    /// # Errors
    /// The rule that the first byte breaks.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Rule> {
        let mut at = 0;
        while at < bytes.len() && !matches!(self, Self::Last) {
            if let Self::Data(left) = self {
                let length = usize::try_from(*left).map_or(bytes.len() - at, |left| left.min(bytes.len() - at));
                *left -= length as u64;
                at += length;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            match self.after(bytes[at]) {
                Ok(next) => *self = next,
                // What comes before it passes; then we are asked again.
                Err(_) if at > 0 => return Ok(at),
                Err(rule) => return Err(rule),
            }
            at += 1;
        }
        Ok(at)
    }

    /// The state after a byte that is not data.
    fn after(self, byte: u8) -> Result<Self, Rule> {
        match (self, byte) {
            (Self::Size { size, digits: digits @ 0..16 }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(Rule::ChunkSize)?;
                Ok(Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
            }
            (Self::Size { size, digits: 1.. }, b'\r') => Ok(Self::SizeEnd(size)),
            (Self::Size { digits: 1.., .. }, b'\n') => Err(Rule::BareLf),
            (Self::Size { digits: 1.., .. }, b';') => Err(Rule::ChunkExtension),
            (Self::Size { .. }, _) => Err(Rule::ChunkSize),
            (Self::SizeEnd(0), b'\n') => Ok(Self::Last),
            (Self::SizeEnd(size), b'\n') => Ok(Self::Data(size)),
            (Self::SizeEnd(_), _) => Err(Rule::BareCr),
            (Self::DataCr, b'\r') => Ok(Self::DataLf),
            (Self::DataLf, b'\n') => Ok(Self::FIRST),
            _ => Err(Rule::ChunkEnd),
        }
    }
}
