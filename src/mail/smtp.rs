//! The SMTP transport (RFC 5321).
//!
//! It does not use lettre's pool, for three reasons that its documentation does not mention:
//!
//! - Its timeout applies to the TCP connection only. A server that stops responding later blocks
//!   the send forever.
//! - A cancelled send returns its connection to the pool. The next send then reads the reply to
//!   the cancelled one, and an undelivered mail counts as sent.
//! - It does not say which command a 5xx reply belongs to: it may reject the mail, or this client.
//!
//! So this client sends the commands itself, and reuses a connection only after a successful mail.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use tokio::time::Instant;
use url::Origin;

use super::error::{SendError, TransportError};
use super::helo::helo_name;
use super::smtp_reply::{CONTENT, DATA, MAIL_FROM, RCPT_TO, SESSION, is_unknown_recipient};
use super::tls::{self, Tls};
use crate::config::{SmtpTls, SmtpUrl};

/// For the TCP connection to each of the server's addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// For everything before the mail: name resolution, connection, TLS, greeting, authentication. A
/// timeout here costs an attempt, never a duplicate.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// For the reply to a command (RFC 5321, 4.5.3.2 recommends 5 minutes).
const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
/// For the reply to the content (RFC 5321, 4.5.3.2.6 recommends 10 minutes). A shorter timeout
/// causes duplicates of mails that the server is about to accept.
const DATA_TIMEOUT: Duration = Duration::from_secs(600);
/// For the replies to NOOP and QUIT.
const NOOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept idle. Servers close connections after minutes.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// How many connections are kept idle: as many as the mailer uses at a time, because connecting
/// costs more than sending a mail.
const MAX_IDLE_CONNECTIONS: usize = 16;
/// A connection that has been idle for less than this is used without a NOOP first.
const SKIP_NOOP_WITHIN: Duration = Duration::from_secs(1);

/// An SMTP client and its idle connections. Clones share them.
#[derive(Clone)]
pub struct SmtpClient(Arc<SmtpClientInner>);

struct SmtpClientInner {
    host: String,
    port: u16,
    /// `None`: not encrypted.
    tls: Option<Tls>,
    helo_name: ClientId,
    credentials: Option<Credentials>,
    idle_pool: Mutex<IdlePool>,
}

/// The idle connections, in the order of their last use.
#[derive(Default)]
struct IdlePool {
    connections: Vec<IdleConnection>,
    /// Whether a task closes expired connections.
    is_reaper_running: bool,
}

struct IdleConnection {
    connection: AsyncSmtpConnection,
    idle_since: Instant,
}

/// Shows host and port only, because the credentials contain a password.
impl fmt::Debug for SmtpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpClient({}:{})", self.0.host, self.0.port)
    }
}

impl SmtpClient {
    /// `own` is the origin of this server: its host is the name in EHLO.
    pub(super) fn new(url: &SmtpUrl, own: &Origin) -> Result<Self, TransportError> {
        Ok(Self(Arc::new(SmtpClientInner {
            host: url.host.clone(),
            port: url.port,
            tls: Tls::new(url)?,
            helo_name: helo_name(own),
            credentials: url
                .credentials
                .as_ref()
                .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned())),
            idle_pool: Mutex::default(),
        })))
    }

    /// Sends a mail. If the future is dropped, its connection is closed.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        loop {
            let (mut connection, reused) = self.acquire().await?;
            let Err(failure) = send_message(&mut connection, message).await else {
                self.return_to_pool(connection);
                return Ok(());
            };
            if failure.has_reply() {
                tokio::spawn(quit(connection));
            }
            // If the server has closed a reused connection, another one may work. There is a
            // limited number of them.
            if !(reused && failure.is_connection_closed()) {
                return Err(failure.into());
            }
        }
    }

    /// A connection, and whether it is reused.
    async fn acquire(&self) -> Result<(AsyncSmtpConnection, bool), SmtpFailure> {
        while let Some(IdleConnection { mut connection, idle_since }) = self.pop_idle() {
            let idle_time = idle_since.elapsed();
            let skip_noop = idle_time < SKIP_NOOP_WITHIN;
            if skip_noop
                || (idle_time < MAX_IDLE_TIME
                    && with_timeout("NOOP", NOOP_TIMEOUT, connection.command(Noop)).await.is_ok())
            {
                return Ok((connection, true));
            }
        }
        Ok((with_timeout(SESSION, SESSION_TIMEOUT, self.0.connect()).await?, false))
    }

    fn pop_idle(&self) -> Option<IdleConnection> {
        self.lock_idle_pool().connections.pop()
    }

    fn return_to_pool(&self, connection: AsyncSmtpConnection) {
        let mut pool = self.lock_idle_pool();
        if pool.connections.len() >= MAX_IDLE_CONNECTIONS {
            tokio::spawn(quit(connection));
            return;
        }
        pool.connections.push(IdleConnection { connection, idle_since: Instant::now() });
        if !pool.is_reaper_running {
            pool.is_reaper_running = true;
            tokio::spawn(self.clone().reap_idle());
        }
    }

    /// Closes expired connections until none is left.
    async fn reap_idle(self) {
        loop {
            tokio::time::sleep(MAX_IDLE_TIME).await;
            for IdleConnection { connection, .. } in self.take_expired() {
                quit(connection).await;
            }
            let mut pool = self.lock_idle_pool();
            if pool.connections.is_empty() {
                pool.is_reaper_running = false;
                return;
            }
        }
    }

    fn take_expired(&self) -> Vec<IdleConnection> {
        self.lock_idle_pool()
            .connections
            .extract_if(.., |idle| idle.idle_since.elapsed() >= MAX_IDLE_TIME)
            .collect()
    }

    /// Locks the pool. No code panics while it holds this lock.
    fn lock_idle_pool(&self) -> MutexGuard<'_, IdlePool> {
        self.0.idle_pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SmtpClientInner {
    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let mut connection = match &self.tls {
            None => self.open(SmtpTls::None, None).await?,
            Some(tls) => match self.open(tls.kind, Some(&tls.parameters)).await {
                Err(error) if tls::is_ca_as_server(&error) => self.open_pinned(tls).await?.ok_or(error)?,
                opened => opened?,
            },
        };
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    async fn open(
        &self,
        tls: SmtpTls,
        parameters: Option<&TlsParameters>,
    ) -> Result<AsyncSmtpConnection, Error> {
        let implicit_tls = parameters.cloned().filter(|_| tls == SmtpTls::Implicit);
        let address = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(CONNECT_TIMEOUT),
            &self.helo_name,
            implicit_tls,
            None,
        )
        .await?;
        if let (SmtpTls::StartTls, Some(parameters)) = (tls, parameters) {
            // A server without STARTTLS is an error, before any credentials are sent.
            connection.starttls(parameters.clone(), &self.helo_name).await?;
        }
        Ok(connection)
    }

    /// A connection to a server whose certificate is itself one of those in `ca`. `None`: it is another one. Nothing but
    /// EHLO has been sent before that is known.
    async fn open_pinned(&self, tls: &Tls) -> Result<Option<AsyncSmtpConnection>, Error> {
        let Some(parameters) = &tls.pinned_parameters else { return Ok(None) };
        let connection = self.open(tls.kind, Some(parameters)).await?;
        let certificate = connection.peer_certificate()?;
        Ok(tls.certificates.contains(&certificate).then_some(connection))
    }
}

/// The mail transaction: MAIL, RCPT, DATA (RFC 5321, 3.3).
async fn send_message(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), SmtpFailure> {
    let envelope = message.envelope();
    let from = Mail::new(envelope.from().cloned(), vec![]);
    with_timeout(MAIL_FROM, COMMAND_TIMEOUT, connection.command(from)).await?;
    for to in envelope.to() {
        with_timeout(RCPT_TO, COMMAND_TIMEOUT, connection.command(Rcpt::new(to.clone(), vec![]))).await?;
    }
    with_timeout(DATA, COMMAND_TIMEOUT, connection.command(Data)).await?;
    with_timeout(CONTENT, DATA_TIMEOUT, connection.command(dot_stuffed(message))).await?;
    Ok(())
}

/// The content with leading dots doubled and the final dot (RFC 5321, 4.5.2). lettre writes the
/// final dot separately, which TCP then delays until the content is acknowledged: about 40 ms per
/// mail.
fn dot_stuffed(message: &Message) -> String {
    let lines = String::from_utf8_lossy(&message.formatted()).replace("\r\n.", "\r\n..");
    let first = if lines.starts_with('.') { "." } else { "" };
    let newline = if lines.ends_with("\r\n") { "" } else { "\r\n" };
    format!("{first}{lines}{newline}.\r\n")
}

/// Sends QUIT, and closes the connection.
async fn quit(mut connection: AsyncSmtpConnection) {
    // The reply does not matter.
    let _ = tokio::time::timeout(NOOP_TIMEOUT, connection.abort()).await;
}

/// A failed step of a mail transaction.
struct SmtpFailure {
    step: &'static str,
    reason: FailureReason,
}

enum FailureReason {
    /// A reply of the server, or an I/O error.
    Smtp(Error),
    Timeout(Duration),
}

async fn with_timeout<T>(
    step: &'static str,
    timeout: Duration,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, SmtpFailure> {
    match tokio::time::timeout(timeout, operation).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(SmtpFailure { step, reason: FailureReason::Smtp(error) }),
        Err(_) => Err(SmtpFailure { step, reason: FailureReason::Timeout(timeout) }),
    }
}

impl SmtpFailure {
    /// Whether the server has replied, so that the connection can take another command.
    fn has_reply(&self) -> bool {
        matches!(&self.reason, FailureReason::Smtp(error) if error.status().is_some())
    }

    /// Whether the server has closed the connection, or announces that with 421, before it got a
    /// mail. Servers do so after a number of mails, or a time.
    fn is_connection_closed(&self) -> bool {
        let FailureReason::Smtp(error) = &self.reason else { return false };
        let status = error.status();
        self.step == MAIL_FROM && status.is_none_or(|code| code.to_string() == "421")
    }

    /// The code and the text of a 5xx reply.
    fn rejection(&self) -> Option<(u16, String)> {
        let FailureReason::Smtp(error) = &self.reason else { return None };
        let code = error.status().filter(|_| error.is_permanent())?;
        Some((code.into(), error.source().map(ToString::to_string).unwrap_or_default()))
    }
}

impl fmt::Display for SmtpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.step)?;
        match &self.reason {
            FailureReason::Smtp(error) => {
                error.fmt(f)?;
                if tls::is_ca_as_server(error) { f.write_str(tls::CA_AS_SERVER_HINT) } else { Ok(()) }
            }
            FailureReason::Timeout(limit) => write!(f, "no response within {} s", limit.as_secs()),
        }
    }
}

impl From<SmtpFailure> for SendError {
    fn from(failure: SmtpFailure) -> Self {
        let message = failure.to_string();
        match failure.rejection() {
            Some((code, text)) if is_unknown_recipient(failure.step, code, &text) => {
                Self::permanent(&message)
            }
            Some((code, text)) => Self::refused(failure.step, code, &text),
            None => Self::transient(&message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::mail::transport::Transport;
    use uuid::Uuid;

    /// A server that accepts every command for which `answer` returns no reply.
    struct FakeServer {
        url: String,
        connections: Arc<AtomicUsize>,
        mails: Arc<Mutex<Vec<String>>>,
    }

    impl FakeServer {
        fn start(answer: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("smtp://{}", listener.local_addr().unwrap());
            let server = Self { url, connections: Arc::default(), mails: Arc::default() };
            let (connections, mails) = (server.connections.clone(), server.mails.clone());
            let answer = Arc::new(answer);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let (mails, answer) = (mails.clone(), answer.clone());
                    std::thread::spawn(move || serve_connection(stream.unwrap(), &*answer, &mails));
                }
            });
            server
        }

        fn transport(&self) -> Transport {
            Transport::smtp(&self.url.parse().unwrap()).unwrap()
        }

        fn connections(&self) -> usize {
            self.connections.load(Ordering::SeqCst)
        }
    }

    fn serve_connection(
        mut stream: TcpStream,
        answer: &dyn Fn(&str) -> Option<&'static str>,
        mails: &Mutex<Vec<String>>,
    ) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let mut write_reply = |reply: &str| write!(stream, "{reply}\r\n").is_ok();
        if !write_reply(answer("greeting").unwrap_or("220 fake")) {
            return;
        }
        while let Some(line) = lines.next() {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
            let default_reply = if verb == "DATA" { "354 go on" } else { "250 yes" };
            let reply = answer(&verb).unwrap_or(default_reply);
            if !write_reply(reply) {
                return;
            }
            if verb == "DATA" && reply.starts_with('3') {
                let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                mails.lock().unwrap().push(mail.join("\n"));
                if !write_reply(answer(".").unwrap_or("250 taken")) {
                    return;
                }
            }
        }
    }

    fn mail() -> Message {
        Message::builder()
            .from("a@example.org".parse().unwrap())
            .to("b@example.org".parse().unwrap())
            .body("hello\r\n.hidden\r\n".to_owned())
            .unwrap()
    }

    async fn send(transport: &Transport) -> Result<(), SendError> {
        transport.send(&mail(), Uuid::nil()).await
    }

    #[tokio::test]
    async fn connection_is_reused() {
        let server = FakeServer::start(|_| None);
        let transport = server.transport();
        for _ in 0..3 {
            send(&transport).await.unwrap();
        }
        assert_eq!(server.connections(), 1);
        let mails = server.mails.lock().unwrap();
        assert_eq!(mails.len(), 3);
        assert!(mails.iter().all(|mail| mail.contains("hello\n..hidden")));
    }

    #[tokio::test]
    async fn rejections_are_about_the_recipient_or_about_this_server() {
        for (at, answer, class) in [
            ("RCPT", "550 5.1.1 no such user", "permanent"),
            ("RCPT", "550 No such user here", "permanent"),
            ("RCPT", "550-5.1.1 The account does not exist,\r\n550 5.1.1 or is misspelled", "permanent"),
            (".", "550 5.1.1 no such user", "permanent"),
            ("RCPT", "554 5.7.1 <b@example.org>: Relay access denied", "refused"),
            ("RCPT", "550-Verification failed for <a@example.org>\r\n550 Sender verify failed", "refused"),
            (".", "554 5.2.252 SendAsDenied", "refused"),
            (".", "550 no such user", "refused"),
            ("DATA", "554 no", "refused"),
            ("MAIL", "550 5.1.1 not from you", "refused"),
            ("MAIL", "530 5.7.0 sign in first", "refused"),
            ("EHLO", "554 no such user", "refused"),
            ("greeting", "554 go away", "refused"),
            ("RCPT", "451 greylisted", "transient"),
            ("RCPT", "450 mailbox unavailable", "transient"),
            (".", "452 disk full", "transient"),
            ("greeting", "421 too busy", "transient"),
            ("greeting", "HTTP/1.1 400 Bad Request", "transient"),
        ] {
            let server = FakeServer::start(move |verb| (verb == at).then_some(answer));
            let error = send(&server.transport()).await.unwrap_err();
            let found = match &error {
                SendError::Permanent(_) => "permanent",
                SendError::Refused(_) => "refused",
                SendError::Transient(_) => "transient",
            };
            assert_eq!(found, class, "{at}: {answer}: {error}");
        }
        let server = FakeServer::start(|verb| (verb == "RCPT").then_some("550 5.1.1 no such user"));
        let error = send(&server.transport()).await.unwrap_err();
        let message = "RCPT TO: permanent error (550): 5.1.1 no such user";
        assert_eq!(error, SendError::Permanent(message.to_owned()));
        let server = FakeServer::start(|verb| (verb == "RCPT").then_some("554 5.7.1 Relay access denied"));
        let SendError::Refused(refusal) = send(&server.transport()).await.unwrap_err() else { panic!() };
        assert_eq!((refusal.command, refusal.code), ("RCPT TO", 554));
        assert_eq!(refusal.to_string(), "RCPT TO: permanent error (554): 5.7.1 Relay access denied");
    }

    #[tokio::test]
    async fn failed_authentication_is_a_refusal() {
        let server = FakeServer::start(|verb| match verb {
            "EHLO" => Some("250-fake\r\n250 AUTH PLAIN"),
            "AUTH" => Some("535 5.7.8 no"),
            _ => None,
        });
        let url = server.url.replace("smtp://", "smtp://u:hunter2@");
        let error = send(&Transport::smtp(&url.parse().unwrap()).unwrap()).await.unwrap_err();
        assert!(matches!(&error, SendError::Refused(refusal) if refusal.code == 535), "{error}");
    }

    #[tokio::test]
    async fn unreachable_server_is_transient() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let transport = Transport::smtp(&format!("smtp://{closed}").parse().unwrap()).unwrap();
        assert!(matches!(send(&transport).await, Err(SendError::Transient(_))));
    }

    #[tokio::test]
    async fn nothing_is_sent_if_starttls_is_not_offered() {
        let server = FakeServer::start(|_| None);
        let url = server.url.replace("smtp://", "smtp+starttls://u:p@");
        let transport = Transport::smtp(&url.parse().unwrap()).unwrap();
        assert!(matches!(send(&transport).await, Err(SendError::Transient(_))));
        assert!(server.mails.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn cancelled_send_does_not_leak_its_reply_to_the_next() {
        // Accepts the first mail only after its send has been cancelled.
        let (received, has_received) = std::sync::mpsc::channel();
        let (accept, may_accept) = std::sync::mpsc::channel();
        let (may_accept, mails) = (Mutex::new(may_accept), AtomicUsize::new(0));
        let server = FakeServer::start(move |verb| {
            if verb != "." {
                return None;
            }
            if mails.fetch_add(1, Ordering::SeqCst) == 0 {
                received.send(()).unwrap();
                may_accept.lock().unwrap().recv().unwrap();
                return None;
            }
            Some("550 5.1.1 no such user")
        });
        let transport = server.transport();
        tokio::select! {
            _ = send(&transport) => panic!("the server has not replied"),
            received = tokio::task::spawn_blocking(move || has_received.recv()) => received.unwrap().unwrap(),
        }
        accept.send(()).unwrap();
        assert!(matches!(send(&transport).await, Err(SendError::Permanent(_))));
        assert_eq!(server.connections(), 2);
    }

    #[tokio::test]
    async fn dead_idle_connection_is_replaced() {
        let noops = AtomicUsize::new(0);
        let server = FakeServer::start(move |verb| {
            (verb == "NOOP" && noops.fetch_add(1, Ordering::SeqCst) == 0).then_some("421 timed out")
        });
        let transport = server.transport();
        send(&transport).await.unwrap();
        let Transport::Smtp(client) = &transport else { panic!() };
        client.lock_idle_pool().connections[0].idle_since -= SKIP_NOOP_WITHIN;
        send(&transport).await.unwrap();
        assert_eq!((server.connections(), server.mails.lock().unwrap().len()), (2, 2));
    }

    #[tokio::test]
    async fn mail_is_resent_on_a_new_connection_after_421() {
        let mails = AtomicUsize::new(0);
        let server = FakeServer::start(move |verb| {
            (verb == "MAIL" && mails.fetch_add(1, Ordering::SeqCst) == 1).then_some("421 enough for now")
        });
        let transport = server.transport();
        for _ in 0..3 {
            send(&transport).await.unwrap();
        }
        assert_eq!((server.connections(), server.mails.lock().unwrap().len()), (2, 3));
    }

    #[tokio::test]
    async fn a_421_on_a_new_connection_is_not_retried() {
        let server = FakeServer::start(|verb| (verb == "MAIL").then_some("421 come back later"));
        assert!(matches!(send(&server.transport()).await, Err(SendError::Transient(_))));
        assert_eq!(server.connections(), 1);
    }

    #[test]
    fn unreadable_certificates_are_an_error() {
        let error = Transport::smtp(&"smtps://mail?ca=/nowhere/ca.pem".parse().unwrap()).unwrap_err();
        let expected = "smtp_url: cannot use the certificates in the file that `ca` names: No such file";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn debug_prints_no_password() {
        let transport = Transport::smtp(&"smtps://u:hunter2@mail".parse().unwrap()).unwrap();
        assert_eq!(format!("{transport:?}"), "Smtp(SmtpClient(mail:465))");
    }
}
