//! TLS: the server name of the ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3).
//!
//! The parser crate reads records, the hello and single extensions; its readers of lists skip what they do not
//! understand, and it does not join a hello that is spread over records. Both are done here, since a far end could
//! read a name where we skipped one.

use tls_parser::nom::{Err as Failure, IResult};
use tls_parser::{
    SNIType, TlsClientHelloContents, TlsExtension, parse_tls_extension_sni_hostname,
    parse_tls_extension_unknown, parse_tls_handshake_client_hello, parse_tls_raw_record,
};

use super::{Asked, LONGEST, Reason, same_name};
use crate::net::Name;

/// The first byte of a TLS connection: a record of type handshake.
pub const HANDSHAKE: u8 = 22;

/// The first byte of the message in it.
const CLIENT_HELLO: u8 = 1;

/// Type and length of a handshake message.
const MESSAGE_HEADER: usize = 4;

/// The most that a record carries before it is encrypted (RFC 8446 section 5.1).
const LONGEST_RECORD: usize = 1 << 14;

const SERVER_NAME: u16 = 0;

/// Encrypted Client Hello (RFC 9849), and the drafts before it.
const ENCRYPTED: [u16; 2] = [0xfe0d, 0xffce];

/// Whether the ClientHello asks for `name`.
pub fn asks_for(bytes: &[u8], name: &Name) -> Asked {
    let Some((message, end)) = first_message(bytes)? else {
        return Ok(None);
    };
    let hello = whole(parse_tls_handshake_client_hello(&message[MESSAGE_HEADER..]))?;
    same_name(server_name(&hello)?, name).map(|()| Some(end))
}

/// Joins the fragments of the first handshake message, and tells where the last of their records ends.
fn first_message(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Reason> {
    let mut message = Vec::new();
    let mut rest = bytes;
    while let Some((fragment, after)) = fragment(rest)? {
        message.extend_from_slice(fragment);
        rest = after;
        match message.len().checked_sub(message_length(&message)?) {
            Some(0) => return Ok(Some((message, bytes.len() - rest.len()))),
            // A second message in the record of the hello: no client has anything to say there.
            Some(_) => return Err(Reason::MalformedTls),
            None => {}
        }
    }
    Ok(None)
}

/// What a record carries, and the bytes after it.
type Fragment<'a> = (&'a [u8], &'a [u8]);

/// The first record; nothing when it is not all there.
fn fragment(bytes: &[u8]) -> Result<Option<Fragment<'_>>, Reason> {
    if let [HANDSHAKE, 3, _, high, low, ..] = *bytes {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > LONGEST_RECORD {
            return Err(Reason::MalformedTls);
        }
    } else if !is_start_of_record(bytes) {
        return Err(Reason::MalformedTls);
    }
    match parse_tls_raw_record(bytes) {
        Ok((rest, record)) => Ok(Some((record.data, rest))),
        Err(Failure::Incomplete(_)) => Ok(None),
        Err(_) => Err(Reason::MalformedTls),
    }
}

/// Whether fewer than five bytes can become the header of a handshake record of SSL 3.0 or TLS 1.
fn is_start_of_record(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [] | [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, _] | [HANDSHAKE, 3, _, _]
    )
}

/// How long the message is with its header; what is not known yet counts as missing.
fn message_length(message: &[u8]) -> Result<usize, Reason> {
    match *message {
        [CLIENT_HELLO, high, middle, low, ..] => {
            let length = MESSAGE_HEADER + u32::from_be_bytes([0, high, middle, low]) as usize;
            (length <= LONGEST).then_some(length).ok_or(Reason::TooLong)
        }
        [] | [CLIENT_HELLO, ..] => Ok(MESSAGE_HEADER),
        _ => Err(Reason::MalformedTls),
    }
}

/// The one server name of a hello that hides none.
fn server_name<'a>(hello: &TlsClientHelloContents<'a>) -> Result<&'a [u8], Reason> {
    let extensions = extensions(hello.ext.unwrap_or_default())?;
    if extensions.iter().any(|(kind, _)| ENCRYPTED.contains(kind)) {
        return Err(Reason::Encrypted);
    }
    let names = extensions.iter().find(|(kind, _)| *kind == SERVER_NAME);
    only_host_name(names.ok_or(Reason::NoServerName)?.1)
}

/// All extensions, each of which may be there once (RFC 8446 section 4.2).
fn extensions(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, Reason> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Ok((rest, TlsExtension::Unknown(kind, content))) = parse_tls_extension_unknown(bytes) else {
            return Err(Reason::MalformedTls);
        };
        found.push((kind.0, content));
        bytes = rest;
    }
    found.sort_unstable_by_key(|(kind, _)| *kind);
    let twice = found.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if twice {
        Err(Reason::MalformedTls)
    } else {
        Ok(found)
    }
}

/// The host name of a list of server names that has only this one entry.
fn only_host_name(list: &[u8]) -> Result<&[u8], Reason> {
    let entries = match *list {
        [high, low, ref entries @ ..] if entries.len() == usize::from(u16::from_be_bytes([high, low])) => {
            entries
        }
        _ => return Err(Reason::MalformedTls),
    };
    match parse_tls_extension_sni_hostname(entries) {
        Ok((&[], (SNIType::HostName, name))) => Ok(name),
        Ok((&[], _)) | Err(_) => Err(Reason::MalformedTls),
        Ok(_) => Err(Reason::SeveralNames),
    }
}

/// A value that was read from all of its bytes.
fn whole<T>(read: IResult<&[u8], T>) -> Result<T, Reason> {
    match read {
        Ok((&[], value)) => Ok(value),
        _ => Err(Reason::MalformedTls),
    }
}
