//! Whether the first bytes of a connection ask for the name it was opened for (`inspect = "sni"`).
//!
//! Only these bytes are judged: of TLS the ClientHello, of plain HTTP the first request. What follows in the same
//! connection is not: later requests of a kept-alive HTTP connection, a second ClientHello after a HelloRetryRequest,
//! and everything encrypted, such as the HTTP host inside TLS. Whatever this code and the far end could read in two
//! ways is refused.

mod http;
mod reason;
mod tls;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod tls_tests;

pub use reason::Reason;

use super::Name;

/// The longest ClientHello, with its record headers, or head of an HTTP request, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing yet; ask again with more.
    NeedMore,
    /// They ask for the name; forward them and all that follows.
    Pass,
    /// They do not, or cannot be understood.
    Refuse(Reason),
}

/// Judges all bytes that a client has sent so far on a connection to `port` of `name`.
///
/// The answer is final unless it is [`Judgement::NeedMore`], which never comes for more than [`LONGEST`] bytes.
pub fn judge(first_bytes: &[u8], name: &Name, port: u16) -> Judgement {
    let judged = match first_bytes.first() {
        None => return Judgement::NeedMore,
        Some(&tls::HANDSHAKE) => tls::asks_for(first_bytes, name),
        Some(byte) if byte.is_ascii_alphabetic() => http::asks_for(first_bytes, name, port),
        Some(_) => Err(Reason::NotTlsOrHttp),
    };
    match judged {
        Ok(Some(end)) if end <= LONGEST => Judgement::Pass,
        Ok(None) if first_bytes.len() < LONGEST => Judgement::NeedMore,
        Ok(_) => Judgement::Refuse(Reason::TooLong),
        Err(reason) => Judgement::Refuse(reason),
    }
}

/// What a protocol's reader finds: where the judged bytes end if they ask for the name, nothing if they are not all
/// there.
type Asked = Result<Option<usize>, Reason>;

/// Reads a name that came over the wire, where it must be plain ASCII, and compares it.
fn same_name(wire: &[u8], name: &Name) -> Result<(), Reason> {
    let text = std::str::from_utf8(wire).ok().filter(|text| text.is_ascii());
    match text.and_then(|text| Name::parse(text).ok()) {
        Some(found) if found == *name => Ok(()),
        Some(found) => Err(Reason::OtherName(found)),
        None => Err(Reason::NoHostName),
    }
}
