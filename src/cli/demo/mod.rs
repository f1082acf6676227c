//! `countersign demo`: a server on a temporary database with two users. It runs the steps of
//! both loops over HTTP and prints each as a `curl` command with the server's response.

mod scenario;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use secrecy::SecretString;
use tempfile::TempDir;

use super::CliError;
use crate::app::{AppError, Application, Dependencies};
use crate::auth::password;
use crate::config::{CliOverrides, Config, PublicUrl};
use crate::domain::audit::AuditContext;
use crate::domain::bundle::{BundleName, Description};
use crate::domain::hub::HubId;
use crate::domain::rights::Mask;
use crate::domain::user::{Email, PersonName, UserId};
use crate::entropy;
use crate::services::admin;
use crate::store::bundles::NewBundle;
use crate::store::users::NewUser;
use crate::store::{Store, StoreError};

/// Any free port is used if this one is taken.
const PREFERRED_PORT: u16 = 8080;
/// The hub that Ada owns.
const HUB_ID: &str = "observatory";

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error("the demo cannot run: {0}")]
    System(#[from] std::io::Error),
    #[error("the demo data could not be created: {0}")]
    Setup(String),
    #[error("the demo step “{step}” failed: {reason}")]
    Step { step: &'static str, reason: String },
}

impl From<StoreError> for DemoError {
    fn from(error: StoreError) -> Self {
        Self::Setup(error.to_string())
    }
}

/// A user of the demo.
struct DemoUser {
    id: UserId,
    email: &'static str,
    password: &'static str,
}

/// A server on a thread of its own. It runs until it is stopped, or until Ctrl-C.
struct RunningServer {
    server: ServerHandle,
    thread: JoinHandle<Result<(), AppError>>,
}

/// Runs the demo. With `once`, it ends after the steps; otherwise the server runs until Ctrl-C.
/// It listens on `bind`; without it, on the preferred port or any free one.
pub fn run(once: bool, bind: Option<SocketAddr>) -> Result<(), CliError> {
    run_demo(once, bind).map_err(CliError::Demo)
}

fn run_demo(once: bool, bind: Option<SocketAddr>) -> Result<(), DemoError> {
    let directory = tempfile::Builder::new().prefix("countersign-demo-").tempdir()?;
    let listener = listen(bind)?;
    let address = listener.local_addr()?;
    let url = PublicUrl::from_bind_address(address);
    let (config, mut dependencies) = prepare(&directory, address)?;
    dependencies.listener = listener.into();
    let store = dependencies.store.clone();
    let (ada, grace, [sleep, steps]) = create_fixtures(&store)?;
    let mail = config.mail_directory.clone();
    let mailbox = crate::http::pages::dev_mail_url(&config, &dependencies.keyring);
    let running = RunningServer::start(config, dependencies)?;
    let done = scenario::run(url.as_str(), &mail, &ada, &grace, sleep);
    if once || done.is_err() {
        running.stop();
        return done;
    }
    scenario::print_next_steps(url.as_str(), &mail, &mailbox, &ada, &grace, steps)?;
    running.wait()
}

/// Listens on `bind`; without it, on the preferred port, or on any free one, which it reports.
fn listen(bind: Option<SocketAddr>) -> Result<TcpListener, DemoError> {
    if let Some(address) = bind {
        return TcpListener::bind(address).map_err(|error| AppError::Bind { address, error }.into());
    }
    let at = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    if let Ok(listener) = at(PREFERRED_PORT) {
        return Ok(listener);
    }
    let listener = at(0)?;
    let port = listener.local_addr()?.port();
    scenario::print_port(PREFERRED_PORT, port);
    Ok(listener)
}

/// The configuration of the demo. The environment and a `countersign.toml` in the working
/// directory are ignored.
fn prepare(directory: &TempDir, address: SocketAddr) -> Result<(Config, Dependencies), DemoError> {
    let file = directory.path().join("countersign.toml");
    std::fs::write(&file, "")?;
    let flags = CliOverrides {
        bind: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()),
        public_url: Some(PublicUrl::from_bind_address(address).to_string()),
        database_url: Some(format!("sqlite://{}", directory.path().join("demo.db").display())),
        mail_directory: Some(directory.path().join("outbox")),
        ..CliOverrides::default()
    };
    let mut config = Config::load(Some(&file), |_| None, flags).map_err(AppError::from)?;
    config.secret =
        crate::config::Secret::Value(SecretString::from(format!("{}{}", entropy::uuid(), entropy::uuid())));
    let dependencies = Dependencies::new(&config)?;
    config.bind = address;
    Ok((config, dependencies))
}

/// Creates Ada with her hub, Grace, and two bundles. Returns the users and the bundles' IDs.
fn create_fixtures(store: &Store) -> Result<(DemoUser, DemoUser, [i64; 2]), DemoError> {
    let ada = create_user(store, "ada@example.org", "Ada", "Lovelace", "analytical engine")?;
    let grace = create_user(store, "grace@example.org", "Grace", "Hopper", "nanosecond wire")?;
    let bad = |error: &dyn std::fmt::Display| DemoError::Setup(error.to_string());
    let hub = HubId::new(HUB_ID).map_err(|error| bad(&error))?;
    let new_bundle = |name, description| -> Result<NewBundle, DemoError> {
        Ok(NewBundle {
            name: BundleName::new(name).map_err(|error| bad(&error))?,
            description: Description::new(description).map_err(|error| bad(&error))?,
            permission: Mask::new(6).map_err(|error| bad(&error))?,
        })
    };
    let sleep = new_bundle("Sleep", "Heart rate and movement between ten and seven.")?;
    let steps = new_bundle("Steps", "How far you walked each day.")?;
    let owner = Email::new(ada.email).map_err(|error| bad(&error))?;
    let added =
        store.write(admin::hubs::add(hub, "Observatory".to_owned(), owner, AuditContext::OPERATOR))?;
    added.map_err(|error| bad(&error))?;
    let sleep = store.write(admin::bundles::add(sleep, AuditContext::OPERATOR))?;
    let steps = store.write(admin::bundles::add(steps, AuditContext::OPERATOR))?;
    Ok((ada, grace, [sleep.id.0, steps.id.0]))
}

fn create_user(
    store: &Store,
    email: &'static str,
    first_name: &str,
    last_name: &str,
    password: &'static str,
) -> Result<DemoUser, DemoError> {
    let bad = |error: &dyn std::fmt::Display| DemoError::Setup(error.to_string());
    let new = NewUser {
        email: Email::new(email).map_err(|error| bad(&error))?,
        first_name: PersonName::new(first_name).map_err(|error| bad(&error))?,
        last_name: PersonName::new(last_name).map_err(|error| bad(&error))?,
        staff: false,
        password: Some(password::hash(password).map_err(|error| bad(&error))?),
    };
    let added = store.write(admin::users::add(new, AuditContext::OPERATOR))?;
    let user = added.ok_or_else(|| bad(&"the email address is already in use"))?;
    Ok(DemoUser { id: user.id, email, password })
}

impl RunningServer {
    fn start(config: Config, dependencies: Dependencies) -> Result<Self, DemoError> {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let application = Application::start(config, dependencies)?;
                // The receiver is waiting below.
                let _ = sender.send(application.handle());
                application.run().await
            })
        });
        match receiver.recv() {
            Ok(server) => Ok(Self { server, thread }),
            Err(_) => Err(startup_error(thread)),
        }
    }

    fn stop(self) {
        drop(self.server.stop(true));
        // The steps have ended; an error at shutdown changes nothing.
        let _ = self.thread.join();
    }

    /// Waits until Ctrl-C stops the server.
    fn wait(self) -> Result<(), DemoError> {
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(DemoError::Setup("the server thread panicked".to_owned())),
        }
    }
}

/// Why the server's thread ended before the server ran.
fn startup_error(thread: JoinHandle<Result<(), AppError>>) -> DemoError {
    match thread.join() {
        Ok(Err(error)) => error.into(),
        _ => DemoError::Setup("the server did not start".to_owned()),
    }
}

/// The newest mail of a directory, if it has at least `min_count` mails.
fn newest_mail(directory: &Path, min_count: usize) -> Option<std::path::PathBuf> {
    let mut mails: Vec<_> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    // The file names are UUIDs that increase with time.
    mails.sort();
    if mails.len() >= min_count { mails.pop() } else { None }
}
