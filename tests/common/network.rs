//! Hosts of the tests on the loopback: some that greet, some that do not answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A listener on the host's loopback that greets everybody with `word`; its address.
pub fn greeter(word: &str) -> String {
    Greeter::new(word).address
}

/// A listener on the host's loopback that greets everybody and counts them.
pub struct Greeter {
    pub address: String,
    visits: Arc<AtomicUsize>,
}

impl Greeter {
    pub fn new(word: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let (word, visits) = (word.to_owned(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&visits);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let word = word.clone();
                thread::spawn(move || greet(stream, &word));
            }
        });
        Greeter { address, visits }
    }

    /// How many connections were accepted so far.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }
}

/// Reads on to the end: closing with data unread would reset the connection.
fn greet(mut stream: TcpStream, word: &str) {
    let _ = stream.write_all(word.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// An address of the loopback that answers nobody: its queue is full.
pub struct FullPort {
    pub address: String,
    _sockets: Vec<OwnedFd>,
}

impl FullPort {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to = listener.local_addr().expect("an address");
        // SAFETY: takes two numbers; another listen(2) changes the length of the queue.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let mut sockets = vec![OwnedFd::from(listener)];
        // A queue of no length holds one; then nobody is answered, until the test is over.
        while let Ok(stream) = TcpStream::connect_timeout(&to, Duration::from_millis(300)) {
            sockets.push(stream.into());
        }
        FullPort {
            address: to.to_string(),
            _sockets: sockets,
        }
    }
}
