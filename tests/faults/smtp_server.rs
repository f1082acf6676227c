//! A mail relay that does what it is told, by whom a mail is for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of a mail.
#[derive(Clone, Copy, Debug)]
pub enum SmtpBehaviour {
    /// It is taken.
    Accept,
    /// Its recipient is answered with this.
    Reply(&'static str),
    /// Nothing more is said, for as long as the relay is there.
    Stall,
    /// It is taken, at so long a time for each byte that is answered.
    Trickle(Duration),
    /// It is taken, and hung up on before that is said.
    DropAfterData,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// For whom.
    pub to: String,
    /// Its Message-ID.
    pub message_id: String,
    /// The link in it.
    pub link: String,
}

/// A relay; gone when this is dropped.
pub struct FakeSmtpServer {
    address: SocketAddr,
    down: Arc<AtomicBool>,
    state: Arc<SmtpServerState>,
}

/// A mood, by recipient and how often they were named before.
type BehaviourFn = dyn Fn(&str, usize) -> SmtpBehaviour + Send + Sync;

struct SmtpServerState {
    behaviour: Box<BehaviourFn>,
    rcpt_counts: Mutex<BTreeMap<String, usize>>,
    mails: Mutex<Vec<ReceivedMail>>,
    stopped: AtomicBool,
}

impl FakeSmtpServer {
    /// A relay of this mood towards a recipient who was named so often before.
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
                // Hung up on at once: as good as refused.
                if !away.load(Ordering::Relaxed) {
                    let state = Arc::clone(&state);
                    thread::spawn(move || drop(state.handle_connection(stream)));
                }
            }
        });
        smtp_server
    }

    /// What `SMTP_URL` is to be.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Takes no connections, or takes them again.
    pub fn set_down(&self, away: bool) {
        self.down.store(away, Ordering::Relaxed);
    }

    /// What it has taken, in the order in which it did.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// Whose mails it has taken.
    pub fn recipients(&self) -> BTreeSet<String> {
        self.mails().into_iter().map(|mail| mail.to).collect()
    }

    /// How often somebody was named.
    pub fn rcpt_count(&self, recipient: &str) -> usize {
        self.state.rcpt_counts.lock().unwrap().get(recipient).copied().unwrap_or_default()
    }
}

impl Drop for FakeSmtpServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // It waits for somebody to come.
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
