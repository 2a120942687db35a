//! Why a connection was refused, in words for the user of the profile.

use std::fmt;

use super::super::Name;

/// Why the first bytes of a connection were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The bytes begin neither a TLS connection nor an HTTP/1 request.
    NotTlsOrHttp,
    /// They begin as TLS and go on in a way that TLS forbids.
    MalformedTls,
    /// They begin as HTTP/1 and go on in a way that HTTP forbids, or that programs read differently.
    MalformedHttp,
    /// HTTP/2 without TLS.
    Http2,
    /// The HTTP method CONNECT, behind which any name can be.
    Tunnel,
    /// A ClientHello without a server name.
    NoServerName,
    /// An HTTP request without a Host.
    NoHost,
    /// More than one server name or Host.
    SeveralNames,
    /// The server name is encrypted, or could be (ECH, ESNI).
    Encrypted,
    /// Another name than the one that was looked up.
    OtherName(Name),
    /// Where the name should be is something else, such as an address.
    NoHostName,
    /// The Host or the target of an HTTP request names another port.
    OtherPort,
    /// More than [`super::LONGEST`] bytes before the name is known.
    TooLong,
    /// The client ended the connection before the name was known.
    Unfinished,
    /// The client sent nothing in the time that it has.
    Silent,
    /// The client sent something, but not enough in the time that it has.
    Slow,
}

impl Reason {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Reason::Encrypted => {
                "switch Encrypted Client Hello off in the client (in Chromium the policy \
                 EncryptedClientHelloEnabled = false), or set inspect = \"none\""
            }
            Reason::OtherName(_) | Reason::OtherPort => {
                "the client asked one name to reach another, as domain fronting does; if that is wanted, \
                 set inspect = \"none\""
            }
            Reason::TooLong
            | Reason::Unfinished
            | Reason::Slow
            | Reason::MalformedTls
            | Reason::MalformedHttp => {
                "inspect = \"none\" lets connections to an allowed name through unread"
            }
            _ => {
                "inspect = \"sni\" understands TLS with a server name and HTTP/1 with a Host; other protocols need \
                 inspect = \"none\""
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Reason::NotTlsOrHttp => "neither TLS nor HTTP",
            Reason::MalformedTls => "not a proper TLS ClientHello",
            Reason::MalformedHttp => "not a proper HTTP request",
            Reason::Http2 => "HTTP/2 without TLS, whose requests cannot be told apart from outside",
            Reason::Tunnel => "HTTP CONNECT, which opens a tunnel to any name",
            Reason::NoServerName => "TLS without a server name",
            Reason::NoHost => "an HTTP request without a Host",
            Reason::SeveralNames => "more than one server name or Host",
            Reason::Encrypted => {
                "TLS with Encrypted Client Hello, which hides the server name (browsers also send a fake one, \
                 GREASE, that looks the same)"
            }
            Reason::OtherName(name) => return write!(f, "it asks for \"{name}\""),
            Reason::NoHostName => "what it asks for is no host name",
            Reason::OtherPort => "it asks for another port",
            Reason::TooLong => "no name in the first 64 KiB",
            Reason::Unfinished => "it ended before its name was known",
            Reason::Silent => "it sent nothing; a protocol in which the server speaks first cannot be inspected",
            Reason::Slow => "it took too long to send its name",
        })
    }
}
