//! An SMTP server whose behaviour depends on the recipient.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The behaviour for a mail.
#[derive(Clone, Copy, Debug)]
pub enum SmtpBehaviour {
    /// Accepts the mail.
    Accept,
    /// Answers RCPT TO with this reply.
    Reply(&'static str),
    /// Stops responding.
    Stall,
    /// Accepts the mail, with this delay per byte of every reply.
    Trickle(Duration),
    /// Accepts the mail and closes the connection without a reply.
    DropAfterData,
}

/// An accepted mail.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// The recipient.
    pub to: String,
    pub message_id: String,
    /// The link in the text.
    pub link: String,
}

/// An SMTP server. It stops when it is dropped.
pub struct FakeSmtpServer {
    address: SocketAddr,
    down: Arc<AtomicBool>,
    state: Arc<SmtpServerState>,
}

/// The behaviour for a recipient and the number of previous attempts.
type BehaviourFn = dyn Fn(&str, usize) -> SmtpBehaviour + Send + Sync;

struct SmtpServerState {
    behaviour: Box<BehaviourFn>,
    rcpt_counts: Mutex<BTreeMap<String, usize>>,
    mails: Mutex<Vec<ReceivedMail>>,
    stopped: AtomicBool,
}

impl FakeSmtpServer {
    /// Starts a server. `behaviour` gets the recipient and the number of previous attempts.
    pub fn start(behaviour: impl Fn(&str, usize) -> SmtpBehaviour + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = SmtpServerState {
            behaviour: Box::new(behaviour),
            rcpt_counts: Mutex::default(),
            mails: Mutex::default(),
            stopped: AtomicBool::new(false),
        };
        let smtp_server = Self { address, down: Arc::default(), state: Arc::new(state) };
        let (away, state) = (Arc::clone(&smtp_server.down), Arc::clone(&smtp_server.state));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.stopped.load(Ordering::Relaxed) {
                    return;
                }
                // Closing immediately has the same effect as refusing the connection.
                if !away.load(Ordering::Relaxed) {
                    let state = Arc::clone(&state);
                    thread::spawn(move || drop(state.handle_connection(stream)));
                }
            }
        });
        smtp_server
    }

    /// The value of `SMTP_URL`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Refuses connections, or accepts them again.
    pub fn set_down(&self, away: bool) {
        self.down.store(away, Ordering::Relaxed);
    }

    /// The accepted mails in order.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// The recipients of the accepted mails.
    pub fn recipients(&self) -> BTreeSet<String> {
        self.mails().into_iter().map(|mail| mail.to).collect()
    }

    /// How often a recipient was named.
    pub fn rcpt_count(&self, recipient: &str) -> usize {
        self.state.rcpt_counts.lock().unwrap().get(recipient).copied().unwrap_or_default()
    }
}

impl Drop for FakeSmtpServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the listening thread so that it ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl SmtpServerState {
    fn handle_connection(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        stream.write_all(b"220 relay\r\n")?;
        let (mut to, mut behaviour) = (String::new(), SmtpBehaviour::Accept);
        while let Some(line) = lines.next() {
            let line = line?;
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    let before = {
                        let mut named = self.rcpt_counts.lock().unwrap();
                        let times = named.entry(to.clone()).or_default();
                        *times += 1;
                        *times - 1
                    };
                    behaviour = (self.behaviour)(&to, before);
                    match behaviour {
                        SmtpBehaviour::Reply(answer) => answer,
                        SmtpBehaviour::Stall => {
                            while !self.stopped.load(Ordering::Relaxed) {
                                thread::sleep(Duration::from_millis(50));
                            }
                            return Ok(());
                        }
                        SmtpBehaviour::Accept | SmtpBehaviour::Trickle(_) | SmtpBehaviour::DropAfterData => {
                            "250 yes"
                        }
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    let mut mail = String::new();
                    for line in lines.by_ref() {
                        match line?.as_str() {
                            "." => {
                                self.record_mail(&to, &mail);
                                break;
                            }
                            line => mail.extend([line, "\n"]),
                        }
                    }
                    if let SmtpBehaviour::DropAfterData = behaviour {
                        return Ok(());
                    }
                    "250 taken"
                }
                "QUIT" => return stream.write_all(b"221 bye\r\n"),
                _ => "250 yes",
            };
            let answer = format!("{answer}\r\n");
            match behaviour {
                SmtpBehaviour::Trickle(pause) => {
                    for byte in answer.bytes() {
                        thread::sleep(pause);
                        stream.write_all(&[byte])?;
                    }
                }
                _ => stream.write_all(answer.as_bytes())?,
            }
        }
        Ok(())
    }

    fn record_mail(&self, to: &str, mail: &str) {
        let after = |before: &str, until: &[char]| {
            let (_, rest) = mail.split_once(before).unwrap_or_else(|| panic!("no {before} in {mail}"));
            rest.split(until).next().unwrap_or_default().to_owned()
        };
        self.mails.lock().unwrap().push(ReceivedMail {
            to: to.to_owned(),
            message_id: after("Message-ID: <", &['@']),
            link: after("/redeem?token=", &['\n', ' ', '"', '<']),
        });
    }
}
