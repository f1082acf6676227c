//! `countersign demo`: a server on a temporary database with two people in it,
//! walked once through both loops over real HTTP. Each step is printed as the
//! `curl` that a reader can repeat, with what the server really answered.

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
use crate::config::{CliOverrides, Config};
use crate::domain::bundle::{BundleName, Description};
use crate::domain::hub::HubId;
use crate::domain::permission::{Mask, Role};
use crate::domain::user::{Email, PersonName, UserId};
use crate::entropy;
use crate::store::bundles::NewBundle;
use crate::store::users::NewUser;
use crate::store::{Store, StoreError, bundles, hubs, users};

/// Where the demo listens, if nobody else does.
const PREFERRED_PORT: u16 = 8080;
/// The hub that Ada owns.
const HUB_ID: &str = "observatory";

/// What can go wrong with a demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The server does not run.
    #[error(transparent)]
    App(#[from] AppError),
    /// The system refuses something.
    #[error("the demo cannot run: {0}")]
    System(#[from] std::io::Error),
    /// What was to be put in before the walk is not to be had.
    #[error("the demo data could not be created: {0}")]
    Setup(String),
    /// A step did not go as it should.
    #[error("the demo step “{step}” failed: {reason}")]
    Step {
        /// Which.
        step: &'static str,
        /// How.
        reason: String,
    },
}

impl From<StoreError> for DemoError {
    fn from(error: StoreError) -> Self {
        Self::Setup(error.to_string())
    }
}

/// Someone in the demo.
struct DemoUser {
    id: UserId,
    email: &'static str,
    password: &'static str,
}

/// A server that runs until it is stopped, or Ctrl-C.
struct RunningServer {
    server: ServerHandle,
    thread: JoinHandle<Result<(), AppError>>,
}

/// Runs the demo; `once` ends it after the walk.
pub fn run(once: bool) -> Result<(), CliError> {
    run_demo(once).map_err(CliError::Demo)
}

fn run_demo(once: bool) -> Result<(), DemoError> {
    let directory = tempfile::Builder::new().prefix("countersign-demo-").tempdir()?;
    let listener = listen()?;
    let address = listener.local_addr()?;
    let (config, mut parts) = prepare(&directory, address)?;
    parts.listener = listener;
    let store = parts.store.clone();
    let (ada, grace, [sleep, steps]) = create_fixtures(&store)?;
    let mail = config.mail_directory.clone();
    let running = RunningServer::start(config, parts)?;
    let walked = scenario::run(&format!("http://{address}"), &mail, &ada, &grace, sleep);
    if once || walked.is_err() {
        running.stop();
        return walked;
    }
    scenario::print_next_steps(&format!("http://{address}"), &mail, &ada, &grace, steps)?;
    running.wait()
}

/// The usual port, or any that is free.
fn listen() -> std::io::Result<TcpListener> {
    let at = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    at(PREFERRED_PORT).or_else(|_| at(0))
}

/// A configuration of the demo's own: neither the environment nor a
/// `countersign.toml` that lies about has a say.
fn prepare(directory: &TempDir, address: SocketAddr) -> Result<(Config, Dependencies), DemoError> {
    let file = directory.path().join("countersign.toml");
    std::fs::write(&file, "")?;
    let flags = CliOverrides {
        bind: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()),
        public_url: Some(format!("http://{address}")),
        database_url: Some(format!("sqlite://{}", directory.path().join("demo.db").display())),
        mail_directory: Some(directory.path().join("outbox")),
        ..CliOverrides::default()
    };
    let mut config = Config::load(Some(&file), |_| None, flags).map_err(AppError::from)?;
    config.secret =
        crate::config::Secret::Value(SecretString::from(format!("{}{}", entropy::uuid(), entropy::uuid())));
    let parts = Dependencies::new(&config)?;
    Ok((config, parts))
}

/// Ada, who owns a hub; Grace, whose data Ada asks for; and two bundles' numbers.
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
    let numbers = store.write(|conn| {
        let now = conn.now()?;
        hubs::insert(conn, &hub, "Observatory", now)?;
        hubs::set_role(conn, &hub, ada.id, Role::Owner)?;
        Ok([bundles::insert(conn, &sleep)?.id.0, bundles::insert(conn, &steps)?.id.0])
    })?;
    Ok((ada, grace, numbers))
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
    let added = store.write(|conn| {
        let now = conn.now()?;
        users::insert(conn, &new, now)
    })?;
    let user = added.ok_or_else(|| bad(&"the email address is already in use"))?;
    Ok(DemoUser { id: user.id, email, password })
}

impl RunningServer {
    fn start(config: Config, parts: Dependencies) -> Result<Self, DemoError> {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let application = Application::start(config, parts)?;
                // The receiver waits for exactly this.
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
        // What mattered has been told.
        let _ = self.thread.join();
    }

    /// Until Ctrl-C.
    fn wait(self) -> Result<(), DemoError> {
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(DemoError::Setup("the server thread panicked".to_owned())),
        }
    }
}

/// Why a server's thread ended before it served.
fn startup_error(thread: JoinHandle<Result<(), AppError>>) -> DemoError {
    match thread.join() {
        Ok(Err(error)) => error.into(),
        _ => DemoError::Setup("the server did not start".to_owned()),
    }
}

/// The newest mail in a directory, once there are as many.
fn newest_mail(directory: &Path, wanted: usize) -> Option<std::path::PathBuf> {
    let mut mails: Vec<_> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    // Their names are their ids, which grow with time.
    mails.sort();
    if mails.len() >= wanted { mails.pop() } else { None }
}
