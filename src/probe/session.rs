//! A conversation with a server in the box, in whichever revision of the protocol it speaks.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use mcp_sandbox_platform::quote;
use serde_json::{Value, json};

use crate::error::{Error, printable, reason};

/// The newest revision without `initialize`.
const MODERN: &str = "2026-07-28";
/// The newest one with it; a server answers with the one that it speaks.
const LEGACY: &str = "2025-11-25";

/// The most that a server may say in a whole conversation; what is made of it takes several times as much memory.
const MOST_BYTES: u64 = 16 << 20;

/// How long a server that speaks `initialize` alone may leave the question for a newer revision unanswered, its start
/// included.
const SILENCE: Duration = Duration::from_secs(10);

/// The most pages of one list.
const MOST_PAGES: usize = 100;

/// What a server can offer: the capability, the method that lists it, and the member of the answer.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools", "tools/list", "tools"),
    ("prompts", "prompts/list", "prompts"),
    ("resources", "resources/list", "resources"),
    ("resources", "resources/templates/list", "resourceTemplates"),
];

/// By member of the answers: tools, prompts, resources, resourceTemplates.
pub type Offers = Vec<(&'static str, Vec<Value>)>;

/// What comes from the server's stdout.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Said(String),
    /// Nothing of what follows is kept.
    TooMuch,
}

/// One side of the conversation, the client's.
pub struct Session {
    input: Option<Box<dyn Write + Send>>,
    lines: Receiver<Line>,
    patience: Duration,
    next_id: u64,
    modern: bool,
    /// The answer to the first question, where it came after all.
    late: Option<Value>,
    /// What the last error said.
    refusal: Option<String>,
    /// Lines on stdout that are no messages, the first few.
    pub stray: VecDeque<String>,
    pub strays: usize,
}

/// What the handshake has told.
pub struct Hello {
    /// The revision that both speak from here on.
    pub revision: String,
    pub server: Value,
    pub capabilities: Value,
    pub instructions: Option<String>,
}

impl Hello {
    /// From a server's answer to either handshake.
    fn of(revision: &str, told: &Value) -> Self {
        let server = match &told["serverInfo"] {
            Value::Null => told["_meta"]["io.modelcontextprotocol/serverInfo"].clone(),
            given => given.clone(),
        };
        Hello {
            revision: revision.to_owned(),
            server,
            capabilities: told["capabilities"].clone(),
            instructions: told["instructions"].as_str().map(str::to_owned),
        }
    }
}

impl Session {
    /// Over the server's stdin and stdout. Each answer is waited for as long as `patience` says.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn over(
        input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
        patience: Duration,
    ) -> Result<Self, Error> {
        // One line ahead: a server that writes on for ever waits for us, as for any client.
        let (send, lines) = mpsc::sync_channel(1);
        let reader = thread::Builder::new().name("session".into());
        reader
            .spawn(move || read(output, &send))
            .map_err(|error| Error::setup(format!("cannot start a thread: {}", reason(&error))))?;
        Ok(Session {
            input: Some(Box::new(input)),
            lines,
            patience,
            next_id: 1,
            modern: false,
            late: None,
            refusal: None,
            stray: VecDeque::new(),
            strays: 0,
        })
    }

    /// Asks for the newest revision first, as the protocol has it: any error, and silence, mean an older server.
    ///
    /// # Errors
    /// The server ends or does not answer.
    pub fn shake_hands(&mut self) -> Result<Hello, Error> {
        self.modern = true;
        let told = self.ask("server/discover", json!({}), SILENCE.min(self.patience))?;
        if let Some(told) = told.filter(|told| speaks(told, MODERN)) {
            return Ok(Hello::of(MODERN, &told));
        }
        self.modern = false;
        let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client()});
        let told = self.request("initialize", params);
        // A server that was slow to start has chosen the newer one all the same.
        if let Some(late) = self.late.take().filter(|late| speaks(late, MODERN)) {
            self.modern = true;
            return Ok(Hello::of(MODERN, &late));
        }
        let told = told?;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(Hello::of(
            told["protocolVersion"].as_str().unwrap_or("unknown"),
            &told,
        ))
    }

    /// All that the server has, of the kinds that it says it has.
    ///
    /// # Errors
    /// Those of [`Session::list`].
    pub fn offers(&mut self, hello: &Hello) -> Result<Offers, Error> {
        let mut offers = Vec::new();
        for (capability, method, member) in LISTS {
            if hello.capabilities.get(capability).is_none() {
                continue;
            }
            match self.list(method, member) {
                Ok(items) => offers.push((member, items)),
                // Many servers with resources know no templates.
                Err(_) if member == "resourceTemplates" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(offers)
    }

    /// Everything of a list, page by page.
    ///
    /// # Errors
    /// The server answers with an error, not at all, or without end.
    fn list(&mut self, method: &str, member: &str) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let params = match &cursor {
                Some(cursor) => json!({"cursor": cursor}),
                None => json!({}),
            };
            let mut page = self.request(method, params)?;
            if let Value::Array(items) = page[member].take() {
                all.extend(items);
            }
            match page["nextCursor"].take() {
                Value::String(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                _ => return Ok(all),
            }
        }
        Err(Error::setup(format!(
            "the server's answer to {method} has more than {MOST_PAGES} pages"
        )))
    }

    fn request(&mut self, method: &str, params: Value) -> Result<Value, Error> {
        let patience = self.patience;
        let answer = self.ask(method, params, patience)?;
        answer.ok_or_else(|| match self.refusal.take() {
            Some(refusal) => Error::setup(format!(
                "the server answers {method} with the error {}",
                quote(refusal)
            )),
            None => Error::setup(format!("the server does not answer {method}"))
                .hint("does it without the box? --timeout gives it more time"),
        })
    }

    /// The result of a request; none for an error or silence.
    fn ask(&mut self, method: &str, mut params: Value, patience: Duration) -> Result<Option<Value>, Error> {
        if self.modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": client(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                // A server that never stops talking does not answer either.
                Ok(_) if left.is_zero() => return Ok(None),
                Ok(Line::Said(line)) => line,
                Ok(Line::TooMuch) => {
                    return Err(Error::setup(format!(
                        "the server has said more than {} MiB before it answered {method}",
                        MOST_BYTES >> 20
                    )));
                }
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(ended(method)),
            };
            let Some(mut message) = serde_json::from_str::<Value>(&line).ok().filter(Value::is_object) else {
                self.strays += 1;
                if self.stray.len() < 3 {
                    self.stray
                        .push_back(printable(line.chars().take(80).collect::<String>()));
                }
                continue;
            };
            if message["id"] == json!(1) && id > 1 && message.get("method").is_none() {
                self.late = message.get_mut("result").map(Value::take);
                continue;
            }
            if message["id"] == json!(id) && message.get("method").is_none() {
                self.refusal = message["error"]["message"].as_str().map(str::to_owned);
                return Ok(message.get_mut("result").map(Value::take));
            }
            // Servers of older revisions ask as well, and some wait for the answer.
            if let (Some(asked), Some(_)) = (message.get("id"), message.get("method")) {
                let refusal = json!({"code": -32601, "message": "a probe answers nothing"});
                self.send(&json!({"jsonrpc": "2.0", "id": asked, "error": refusal}))?;
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), Error> {
        let input = self.input.as_mut().ok_or_else(|| ended("a message"))?;
        writeln!(input, "{message}")
            .and_then(|()| input.flush())
            .map_err(|_| ended("a message"))
    }

    /// Closes the server's stdin; whether it ended its stdout in that time.
    pub fn end(&mut self, time: Duration) -> bool {
        self.input = None;
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Whoever still writes must not wait for us.
            match self.lines.recv_timeout(left) {
                Ok(_) if !left.is_zero() => {}
                told => return told == Err(RecvTimeoutError::Disconnected),
            }
        }
    }

    /// Reads whatever may still come, until the server has ended.
    pub fn forget(&mut self) {
        while self.lines.recv().is_ok() {}
    }
}

fn client() -> Value {
    json!({"name": "mcp-sandbox-probe", "version": env!("CARGO_PKG_VERSION")})
}

fn speaks(told: &Value, revision: &str) -> bool {
    told["supportedVersions"]
        .as_array()
        .is_some_and(|all| all.contains(&json!(revision)))
}

fn ended(method: &str) -> Error {
    Error::setup(format!("the server ended before it answered {method}")).hint("the lines above are its own")
}

/// Reads to the end, whether it is kept or not: a server that nobody reads would wait, and could not end.
fn read(output: impl Read, send: &mpsc::SyncSender<Line>) {
    let mut output = BufReader::new(output).take(MOST_BYTES);
    loop {
        let mut line = Vec::new();
        match output.read_until(b'\n', &mut line) {
            Ok(1..) if output.limit() > 0 => {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if send.send(Line::Said(line)).is_err() {
                    return;
                }
            }
            _ => break,
        }
    }
    if output.limit() == 0 && send.send(Line::TooMuch).is_ok() {
        let _ = io::copy(&mut output.into_inner(), &mut io::sink());
    }
}
