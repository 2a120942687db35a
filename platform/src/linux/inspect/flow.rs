//! One direction of a connection: what to do next, given which ends are ready. Pure, so that every order of events
//! can be tested.
//!
//! The pipe is filled only when it is empty. So a source that gives nothing has nothing, a slow drain stops the source
//! (back-pressure reaches the sender through its own socket), and an idle direction needs no pipe.

/// What to do next in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write the judged bytes to the drain.
    Send,
    /// Move from the source into the pipe.
    Fill,
    /// Move from the pipe into the drain.
    Pour,
    /// Tell the drain that nothing follows.
    Finish,
}

/// The state of one direction.
#[derive(Debug, Default)]
pub struct Flow {
    head: Vec<u8>,
    sent: usize,
    piped: usize,
    ended: bool,
    finished: bool,
}

impl Flow {
    /// A direction that begins with `head`, bytes that were read from its source already.
    pub fn new(head: Vec<u8>) -> Self {
        Flow {
            head,
            ..Flow::default()
        }
    }

    /// The next step that can be made; nothing while an end has to become ready, or at the end.
    pub fn next(&self, readable: bool, writable: bool) -> Option<Step> {
        if !self.unsent().is_empty() {
            return writable.then_some(Step::Send);
        }
        if self.piped > 0 {
            return writable.then_some(Step::Pour);
        }
        if !self.ended {
            return readable.then_some(Step::Fill);
        }
        (!self.finished).then_some(Step::Finish)
    }

    /// Takes note of a step that moved `count` bytes. A source that gives none has ended.
    pub fn did(&mut self, step: Step, count: usize) {
        match step {
            Step::Send => self.sent += count,
            Step::Fill => {
                self.piped = count;
                self.ended = count == 0;
            }
            Step::Pour => self.piped -= count.min(self.piped),
            Step::Finish => self.finished = true,
        }
        if self.unsent().is_empty() {
            self.head = Vec::new();
            self.sent = 0;
        }
    }

    /// The judged bytes that are still to be written.
    pub fn unsent(&self) -> &[u8] {
        &self.head[self.sent..]
    }

    /// How much memory the judged bytes take; none when they are sent.
    pub fn held(&self) -> usize {
        self.head.capacity()
    }

    /// Whether the pipe holds something.
    pub fn holds_bytes(&self) -> bool {
        self.piped > 0
    }

    pub fn finished(&self) -> bool {
        self.finished
    }
}
