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
pub enum Mood {
    /// It is taken.
    Takes,
    /// Its recipient is answered with this.
    Says(&'static str),
    /// Nothing more is said, for as long as the relay is there.
    Stalls,
    /// It is taken, at so long a time for each byte that is answered.
    Trickles(Duration),
    /// It is taken, and hung up on before that is said.
    DropsAfterTheDot,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// For whom.
    pub to: String,
    /// Its Message-ID.
    pub id: String,
    /// The link in it.
    pub link: String,
}

/// A relay; gone when this is dropped.
pub struct Relay {
    address: SocketAddr,
    away: Arc<AtomicBool>,
    state: Arc<State>,
}

/// A mood, by recipient and how often they were named before.
type Moods = dyn Fn(&str, usize) -> Mood + Send + Sync;

struct State {
    mood: Box<Moods>,
    named: Mutex<BTreeMap<String, usize>>,
    mails: Mutex<Vec<Mail>>,
    gone: AtomicBool,
}

impl Relay {
    /// A relay of this mood towards a recipient who was named so often before.
    pub fn start(mood: impl Fn(&str, usize) -> Mood + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            mood: Box::new(mood),
            named: Mutex::default(),
            mails: Mutex::default(),
            gone: AtomicBool::new(false),
        };
        let relay = Self { address, away: Arc::default(), state: Arc::new(state) };
        let (away, state) = (Arc::clone(&relay.away), Arc::clone(&relay.state));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.gone.load(Ordering::Relaxed) {
                    return;
                }
                // Hung up on at once: as good as refused.
                if !away.load(Ordering::Relaxed) {
                    let state = Arc::clone(&state);
                    thread::spawn(move || drop(state.converse(stream)));
                }
            }
        });
        relay
    }

    /// What `SMTP_URL` is to be.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Takes no connections, or takes them again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// What it has taken, in the order in which it did.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// Whose mails it has taken.
    pub fn recipients(&self) -> BTreeSet<String> {
        self.mails().into_iter().map(|mail| mail.to).collect()
    }

    /// How often somebody was named.
    pub fn named(&self, recipient: &str) -> usize {
        self.state.named.lock().unwrap().get(recipient).copied().unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::Relaxed);
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        stream.write_all(b"220 relay\r\n")?;
        let (mut to, mut mood) = (String::new(), Mood::Takes);
        while let Some(line) = lines.next() {
            let line = line?;
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    let before = {
                        let mut named = self.named.lock().unwrap();
                        let times = named.entry(to.clone()).or_default();
                        *times += 1;
                        *times - 1
                    };
                    mood = (self.mood)(&to, before);
                    match mood {
                        Mood::Says(answer) => answer,
                        Mood::Stalls => {
                            while !self.gone.load(Ordering::Relaxed) {
                                thread::sleep(Duration::from_millis(50));
                            }
                            return Ok(());
                        }
                        Mood::Takes | Mood::Trickles(_) | Mood::DropsAfterTheDot => "250 yes",
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    let mut mail = String::new();
                    for line in lines.by_ref() {
                        match line?.as_str() {
                            "." => {
                                self.take(&to, &mail);
                                break;
                            }
                            line => mail.extend([line, "\n"]),
                        }
                    }
                    if let Mood::DropsAfterTheDot = mood {
                        return Ok(());
                    }
                    "250 taken"
                }
                "QUIT" => return stream.write_all(b"221 bye\r\n"),
                _ => "250 yes",
            };
            let answer = format!("{answer}\r\n");
            match mood {
                Mood::Trickles(pause) => {
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

    fn take(&self, to: &str, mail: &str) {
        let after = |before: &str, until: &[char]| {
            let (_, rest) = mail.split_once(before).unwrap_or_else(|| panic!("no {before} in {mail}"));
            rest.split(until).next().unwrap_or_default().to_owned()
        };
        self.mails.lock().unwrap().push(Mail {
            to: to.to_owned(),
            id: after("Message-ID: <", &['@']),
            link: after("/redeem?token=", &['\n', ' ', '"', '<']),
        });
    }
}
