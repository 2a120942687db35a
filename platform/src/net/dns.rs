//! What the stub resolver does with a query: answer at once, or first ask the host about an allowed name.
//!
//! The bytes come from a hostile server. Only the header, one question and the headers of the additional records are
//! read; nothing of the query but its question goes back, and nothing goes anywhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::base::iana::{Class, Opcode, Rtype};
use domain::base::name::ToLabelIter;
use domain::base::opt::OptRecord;
use domain::base::{Message, ParsedName};

use super::Name;
use super::reply::compose;
pub use super::reply::{Answer, LARGEST_QUERY, Reply};

/// The bytes of a header.
const HEADER: usize = 12;

/// A query that may have any number of additional records would keep us busy; clients send OPT and a signature.
const MOST_ADDITIONAL: u16 = 4;

/// What the stub has to know to answer.
pub trait Zone {
    /// Whether the name is in the allow list.
    fn allows(&self, name: &Name) -> bool;
    /// The name that a synthetic address stands for.
    fn behind(&self, address: Ipv4Addr) -> Option<Name>;
}

/// What to do with a packet.
pub enum Act {
    /// Nothing can be answered: not a query, or not even a header.
    Ignore,
    Reply(Reply),
    /// A name that is not allowed.
    Refuse(Reply, Name),
    /// The address of an allowed name: the host's resolver has to say whether there is any.
    Resolve(Query, Name),
}

/// The part of a query that its answer needs.
#[derive(Debug)]
pub struct Query {
    /// Header and question as they came, other sections left out.
    head: Box<[u8]>,
    wants: Wants,
    edns: Option<Edns>,
}

/// EDNS as far as the answer repeats it.
#[derive(Debug, Clone, Copy)]
pub struct Edns {
    pub dnssec_ok: bool,
}

/// The record that is asked for, as far as we have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    V4,
    V6,
    Pointer,
    Other,
}

impl Query {
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    pub fn edns(&self) -> Option<Edns> {
        self.edns
    }

    /// The answer to a query for an allowed name that has a synthetic address.
    pub fn exists(&self, address: Ipv4Addr) -> Option<Reply> {
        match self.wants {
            Wants::V4 => compose(self, &Answer::V4(address)),
            Wants::V6 | Wants::Pointer | Wants::Other => compose(self, &Answer::NoRecord),
        }
    }

    /// The answer where the host has failed. Only the address is worth asking again: a failure in place of an empty
    /// answer makes some clients (musl) give up although they have the address.
    pub fn failed(&self) -> Option<Reply> {
        match self.wants {
            Wants::V4 => compose(self, &Answer::Failed),
            Wants::V6 | Wants::Pointer | Wants::Other => compose(self, &Answer::NoRecord),
        }
    }

    pub fn reply(&self, answer: &Answer) -> Option<Reply> {
        compose(self, answer)
    }
}

/// Judges one packet.
pub fn receive(packet: &[u8], zone: &impl Zone) -> Act {
    let Ok(message) = Message::from_slice(packet) else {
        return Act::Ignore;
    };
    if message.header().qr() {
        return Act::Ignore;
    }
    match read(message) {
        Err(answer) => answered(&bare(message), &answer),
        Ok((query, Err(answer))) => answered(&query, &answer),
        Ok((query, Ok(text))) => judge(query, &text, zone),
    }
}

fn answered(query: &Query, answer: &Answer) -> Act {
    compose(query, answer).map_or(Act::Ignore, Act::Reply)
}

/// A query whose question cannot be repeated.
fn bare(message: &Message<[u8]>) -> Query {
    Query {
        head: head(message, None),
        wants: Wants::Other,
        edns: None,
    }
}

/// The header with the counts of what is kept: the question, or nothing.
fn head(message: &Message<[u8]>, question: Option<&[u8]>) -> Box<[u8]> {
    let kept = question.unwrap_or_default();
    let mut head = Vec::with_capacity(HEADER + kept.len());
    head.extend_from_slice(&message.as_slice()[..4]);
    head.extend_from_slice(&[0, u8::from(question.is_some()), 0, 0, 0, 0, 0, 0]);
    head.extend_from_slice(kept);
    head.into()
}

/// A well-formed query, and the name it asks about or the answer that needs no name.
type Read = (Query, Result<String, Answer>);

fn read(message: &Message<[u8]>) -> Result<Read, Answer> {
    if message.header().opcode() != Opcode::QUERY {
        return Err(Answer::NotImplemented);
    }
    let counts = message.header_counts();
    if message.header().tc() || counts.ancount() != 0 || counts.nscount() != 0 {
        return Err(Answer::Malformed);
    }
    let question = message.sole_question().map_err(|_| Answer::Malformed)?;
    let bytes = question_bytes(message, question.qname()).ok_or(Answer::Malformed)?;
    let (edns, version) = match opt(message)? {
        Some(opt) => (
            Some(Edns {
                dnssec_ok: opt.dnssec_ok(),
            }),
            opt.version(),
        ),
        None => (None, 0),
    };
    let query = Query {
        head: head(message, Some(bytes)),
        wants: wants(question.qtype()),
        edns,
    };
    let name = match (version, question.qclass(), question.qtype()) {
        (1.., _, _) => Err(Answer::BadVersion),
        (0, Class::IN, Rtype::AXFR | Rtype::IXFR) => Err(Answer::Refused),
        (0, Class::IN, Rtype::OPT) => Err(Answer::Malformed),
        (0, Class::IN, _) => text(question.qname()).ok_or(Answer::NotFound),
        (0, ..) => Err(Answer::Refused),
    };
    Ok((query, name))
}

fn wants(kind: Rtype) -> Wants {
    match kind {
        Rtype::A => Wants::V4,
        Rtype::AAAA => Wants::V6,
        Rtype::PTR => Wants::Pointer,
        _ => Wants::Other,
    }
}

/// The question as it stands in the packet. Nothing comes before it that a name could be compressed with, so a
/// pointer in it leads into the header: malformed.
fn question_bytes<'a>(message: &'a Message<[u8]>, name: &ParsedName<&[u8]>) -> Option<&'a [u8]> {
    let length = usize::from(name.compose_len());
    let bytes = message.as_slice().get(HEADER..HEADER + length + 4)?;
    let flat = name.iter_labels().try_fold(bytes, |rest, label| {
        let (size, rest) = rest.split_first()?;
        (usize::from(*size) == label.len()).then_some(rest)?;
        rest.strip_prefix(label.as_slice())
    });
    (flat?.len() == 4).then_some(bytes)
}

/// The OPT record; malformed are two of them, one below a name, and records that end early.
fn opt(message: &Message<[u8]>) -> Result<Option<OptRecord<&[u8]>>, Answer> {
    let malformed = |_| Answer::Malformed;
    if message.header_counts().arcount() > MOST_ADDITIONAL {
        return Err(Answer::Malformed);
    }
    let mut found = None;
    for record in message.additional().map_err(malformed)? {
        let record = record.map_err(malformed)?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        let opt = record
            .into_record()
            .map_err(malformed)?
            .ok_or(Answer::Malformed)?;
        if found.is_some() || !opt.owner().is_root() {
            return Err(Answer::Malformed);
        }
        found = Some(OptRecord::from_record(opt));
    }
    Ok(found)
}

/// The name in lower case; nothing where a label holds what no host name does, a dot among it.
fn text(name: &ParsedName<&[u8]>) -> Option<String> {
    let mut text = String::with_capacity(usize::from(name.compose_len()));
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        let label = label.as_slice();
        if !label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    Some(text)
}

/// Decides by the name.
fn judge(query: Query, text: &str, zone: &impl Zone) -> Act {
    if text == "localhost" || text.ends_with(".localhost") {
        return answered(&query, &loopback(query.wants));
    }
    if let Some(address) = reversed(text) {
        return answered(&query, &pointer(query.wants, address, zone));
    }
    // A text that the parser would change is none that a client could have meant.
    let name = match Name::parse(text) {
        Ok(name) if name.as_str() == text => name,
        _ => return answered(&query, &Answer::NotFound),
    };
    match (zone.allows(&name), query.wants) {
        (true, Wants::V4 | Wants::V6) => return Act::Resolve(query, name),
        (true, Wants::Pointer | Wants::Other) => return answered(&query, &Answer::NoRecord),
        (false, _) => {}
    }
    compose(&query, &Answer::NotFound).map_or(Act::Ignore, |reply| Act::Refuse(reply, name))
}

/// The box's own loopback, whatever the host's files say (RFC 6761, 6.3).
fn loopback(wants: Wants) -> Answer {
    match wants {
        Wants::V4 => Answer::V4(Ipv4Addr::LOCALHOST),
        Wants::V6 => Answer::V6(Ipv6Addr::LOCALHOST),
        Wants::Pointer | Wants::Other => Answer::NoRecord,
    }
}

fn pointer(wants: Wants, address: IpAddr, zone: &impl Zone) -> Answer {
    let name = match address {
        IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => Some("localhost".to_owned()),
        IpAddr::V4(address) => zone.behind(address).map(|name| name.as_str().to_owned()),
        IpAddr::V6(_) => None,
    };
    match (name, wants) {
        (None, _) => Answer::NotFound,
        (Some(name), Wants::Pointer) => Answer::Pointer(name),
        (Some(_), _) => Answer::NoRecord,
    }
}

/// The address that a name below `in-addr.arpa` (RFC 1035, 3.5) or `ip6.arpa` (RFC 3596, 2.5) stands for.
fn reversed(text: &str) -> Option<IpAddr> {
    if let Some(parts) = text.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = parts.rsplit('.').collect();
        return parts.join(".").parse().ok().map(IpAddr::V4);
    }
    let nibbles = text.strip_suffix(".ip6.arpa")?;
    let digits: Vec<u8> = nibbles
        .rsplit('.')
        .map(|nibble| (nibble.len() == 1).then_some(nibble)?.bytes().next())
        .collect::<Option<_>>()?;
    let digits = std::str::from_utf8(&digits)
        .ok()
        .filter(|digits| digits.len() == 32)?;
    let bits = u128::from_str_radix(digits, 16).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
