//! Plain HTTP/1: the Host of the first request, and its target where that names a host too (RFC 9112 section 3.2).

use httparse::{Error, Header, Request, Status};

use super::{Asked, Reason, same_name};
use crate::net::Name;

/// The most header fields of a request.
const MOST_FIELDS: usize = 128;

/// How HTTP/2 begins where both sides know of it beforehand (RFC 9113 section 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Whether the first request asks for `name` and no other port than `port`.
pub fn asks_for(bytes: &[u8], name: &Name, port: u16) -> Asked {
    if HTTP_2.starts_with(bytes) {
        return Ok(None);
    }
    if bytes.starts_with(HTTP_2) {
        return Err(Reason::Http2);
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = Request::new(&mut fields);
    let end = match request.parse(bytes) {
        Ok(Status::Complete(end)) => end,
        Ok(Status::Partial) => return Ok(None),
        Err(Error::Token | Error::Version) if request.version.is_none() => return Err(Reason::NotTlsOrHttp),
        Err(_) => return Err(Reason::MalformedHttp),
    };
    check_lines(&bytes[..end])?;
    check_target(&request, name, port)?;
    check_authority(only_host(request.headers)?, name, port)?;
    Ok(Some(end))
}

/// Every line ends in CR LF. The parser also takes a lone LF, where another program may see one long line.
fn check_lines(head: &[u8]) -> Result<(), Reason> {
    let lone = head.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r');
    if lone { Err(Reason::MalformedHttp) } else { Ok(()) }
}

/// A target that names a host must name the same one: it wins over the Host field (RFC 9112 section 3.2.2).
fn check_target(request: &Request, name: &Name, port: u16) -> Result<(), Reason> {
    const SCHEME: &str = "http://";
    let target = request.path.unwrap_or_default();
    if request
        .method
        .is_some_and(|method| method.eq_ignore_ascii_case("CONNECT"))
    {
        return Err(Reason::Tunnel);
    }
    if target.starts_with('/') || target == "*" {
        return Ok(());
    }
    match target.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            check_authority(authority.as_bytes(), name, port)
        }
        _ => Err(Reason::MalformedHttp),
    }
}

/// The one Host field.
fn only_host<'a>(fields: &[Header<'a>]) -> Result<&'a [u8], Reason> {
    let mut hosts = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().ok_or(Reason::NoHost)?;
    match hosts.next() {
        None => Ok(host.value),
        Some(_) => Err(Reason::SeveralNames),
    }
}

/// `name`, or `name:port`.
fn check_authority(authority: &[u8], name: &Name, port: u16) -> Result<(), Reason> {
    let Some(colon) = authority.iter().position(|byte| *byte == b':') else {
        return same_name(authority, name);
    };
    same_name(&authority[..colon], name)?;
    if authority[colon + 1..] == *port.to_string().as_bytes() {
        Ok(())
    } else {
        Err(Reason::OtherPort)
    }
}
