//! ClientHellos to order, for tests.

/// An extension: its type and content.
pub type Extension = (u16, Vec<u8>);

/// The extension that names these hosts.
pub fn server_names(names: &[&str]) -> Extension {
    let entries: Vec<u8> = names.iter().flat_map(|name| entry(0, name.as_bytes())).collect();
    (0, with_length(&entries))
}

/// An entry of a list of server names.
pub fn entry(kind: u8, name: &[u8]) -> Vec<u8> {
    [vec![kind], with_length(name)].concat()
}

/// The bytes with their length in front, in two bytes.
pub fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A ClientHello message with these extensions, and `behind` after them.
pub fn message(extensions: &[Extension], behind: &[u8]) -> Vec<u8> {
    let extensions: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [kind.to_be_bytes().to_vec(), with_length(content)].concat())
        .collect();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(with_length(&[0x13, 0x01, 0xc0, 0x2f]));
    body.extend([1, 0]);
    body.extend(with_length(&extensions));
    body.extend(behind);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

/// The message in records that carry at most `most` bytes each.
pub fn records(message: &[u8], most: usize) -> Vec<u8> {
    message
        .chunks(most)
        .flat_map(|part| [vec![22, 3, 1], with_length(part)].concat())
        .collect()
}

/// What a client sends to ask for `name`.
pub fn hello(name: &str) -> Vec<u8> {
    let others = [(43, vec![2, 3, 4]), (16, vec![0, 3, 2, b'h', b'2'])];
    let extensions = [&[server_names(&[name])][..], &others].concat();
    records(&message(&extensions, &[]), 1 << 14)
}

/// The same with padding (RFC 7685), so that it is `length` bytes on the wire.
pub fn long_hello(name: &str, length: usize) -> Vec<u8> {
    let with_padding = |padding| {
        let message = message(&[server_names(&[name]), (21, vec![0; padding])], &[]);
        records(&message, 1 << 14)
    };
    let hello = with_padding(length - with_padding(0).len() - 5 * (length >> 14));
    let missing = length - hello.len();
    let hello = with_padding(length - with_padding(0).len() - 5 * (length >> 14) + missing);
    assert_eq!(hello.len(), length);
    hello
}
