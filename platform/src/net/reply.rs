//! Answers of the stub resolver as bytes.
//!
//! Every answer fits in the 512 bytes that a client takes without EDNS (RFC 1035, 4.2.1), so that none is ever
//! truncated: a question is at most 271 bytes with the header, and the records of an answer name it by a pointer.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use domain::base::iana::{Class, OptRcode, Rcode};
use domain::base::message_builder::{AdditionalBuilder, AuthorityBuilder, PushError, StaticCompressor};
use domain::base::{Message, MessageBuilder, Name, Serial, Ttl};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa, Ptr, Soa};

use super::dns::Query;

/// The most bytes of an answer.
const SIZE: usize = 512;

/// The largest datagram that the stub reads, told to clients that speak EDNS. The size that crosses every
/// network without fragments (DNS flag day 2020).
pub const LARGEST_QUERY: usize = 1232;

/// How long a client may keep an address. Short, so that a program asks again when it reconnects, and the host's
/// answer is looked at again; the address itself never changes.
const KEPT: Ttl = Ttl::from_secs(30);

/// How long a client may remember that there is nothing.
const KEPT_NOTHING: Ttl = Ttl::from_secs(5);

type Target = StaticCompressor<Array<SIZE>>;

/// What to say to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// The name behind an address.
    Pointer(String),
    /// The name exists, but has no record of the type that was asked for.
    NoRecord,
    NotFound,
    /// No answer could be had; the client may ask again.
    Failed,
    Malformed,
    NotImplemented,
    Refused,
    /// An EDNS version other than 0.
    BadVersion,
}

impl Answer {
    fn rcode(&self) -> OptRcode {
        match self {
            Answer::V4(_) | Answer::V6(_) | Answer::Pointer(_) | Answer::NoRecord => OptRcode::NOERROR,
            Answer::NotFound => OptRcode::NXDOMAIN,
            Answer::Failed => OptRcode::SERVFAIL,
            Answer::Malformed => OptRcode::FORMERR,
            Answer::NotImplemented => OptRcode::NOTIMP,
            Answer::Refused => OptRcode::REFUSED,
            Answer::BadVersion => OptRcode::BADVERS,
        }
    }
}

/// The bytes of an answer.
pub struct Reply(Box<[u8]>);

impl Reply {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Puts an answer to `query` in bytes; nothing if it does not fit, which no query that was read can cause.
pub fn compose(query: &Query, answer: &Answer) -> Option<Reply> {
    let asked = Message::from_slice(query.head()).ok()?;
    let mut reply = MessageBuilder::from_target(StaticCompressor::new(Array::new())).ok()?;
    let header = reply.header_mut();
    // Go's resolver takes an empty answer of a server that neither is an authority nor recurses for a broken one.
    header.set_ra(true);
    header.set_cd(asked.header().cd());
    let mut reply = reply
        .start_answer(asked, Rcode::masked_from_int(answer.rcode().to_int() as u8))
        .ok()?;
    if let Some(owner) = asked.first_question().map(|question| question.into_qname()) {
        match answer {
            Answer::V4(address) => reply.push((owner, KEPT, A::new(*address))).ok()?,
            Answer::V6(address) => reply.push((owner, KEPT, Aaaa::new(*address))).ok()?,
            Answer::Pointer(name) => reply.push((owner, KEPT, Ptr::new(wire(name)?))).ok()?,
            _ => {}
        }
    }
    let mut reply = reply.authority();
    if matches!(answer, Answer::NoRecord | Answer::NotFound) {
        push_soa(&mut reply)?;
    }
    let mut reply = reply.additional();
    push_opt(&mut reply, query, answer).ok()?;
    Some(Reply(reply.finish().as_slice().into()))
}

fn wire(name: &str) -> Option<Name<Array<255>>> {
    Name::from_str(name).ok()
}

/// What tells a client how long nothing is to be remembered (RFC 2308). It belongs to the root, which is above
/// every name.
fn push_soa(reply: &mut AuthorityBuilder<Target>) -> Option<()> {
    const DAY: Ttl = Ttl::from_secs(86_400);
    let soa = Soa::new(
        wire("localhost")?,
        wire("nobody.invalid")?,
        Serial(1),
        DAY,
        DAY,
        DAY,
        KEPT_NOTHING,
    );
    let root = Name::root_slice();
    reply.push((root, Class::IN, KEPT_NOTHING, soa)).ok()
}

/// EDNS in the answer exactly when it was in the query (RFC 6891, 7).
fn push_opt(reply: &mut AdditionalBuilder<Target>, query: &Query, answer: &Answer) -> Result<(), PushError> {
    let Some(edns) = query.edns() else {
        return Ok(());
    };
    reply.opt(|opt| {
        opt.set_udp_payload_size(LARGEST_QUERY as u16);
        opt.set_version(0);
        opt.set_dnssec_ok(edns.dnssec_ok);
        opt.set_rcode(answer.rcode());
        Ok(())
    })
}
