//! The house put together: database, actors, mail and the HTTP server.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actix_cors::Cors;
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::header;
use actix_web::middleware::{Condition, NormalizePath, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::actors::looks::Looks;
use crate::actors::mailer::{Mailer, Postage};
use crate::actors::registry::Registry;
use crate::actors::{Vigil, pulse, retention};
use crate::config::{self, Config, ConfigError};
use crate::domain::token::Keyring;
use crate::http::attempts::Attempts;
use crate::http::auth::Authenticator;
use crate::http::farewell::Farewell;
use crate::http::metrics::Metrics;
use crate::http::pages;
use crate::http::problem::Problem;
use crate::http::quota;
use crate::http::trace::trace;
use crate::http::{Services, configure, server};
use crate::mail::template::{TemplateError, Templates};
use crate::mail::transport::{Transport, TransportError};
use crate::store::{Clock, Directory, Store, StoreError};

/// Seconds that requests under way get to finish when the server is told to stop.
const SHUTDOWN_SECONDS: u64 = 15;
/// Connections that the mailer uses.
const FOR_MAILER: u32 = 2;
/// How long what is only in memory may take to be written down at the end.
const TIDYING: Duration = Duration::from_secs(6);
/// The most clients that are connected at a time; the others wait to be. One takes some
/// kilobytes while it does nothing.
const MOST_CONNECTIONS: usize = 50_000;
/// Clients that may come while the server is at something else; the system has a limit of
/// its own (4,096 mostly).
const CROWD: i32 = 4_096;
/// Files that are no client's: the database's, mail's and our own.
const FILES_OF_OURS: usize = 256;
/// Seconds that a browser may remember a preflight's answer.
const PREFLIGHT_SECONDS: usize = 3_600;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration does not allow it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database does not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mail template is broken.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Mail cannot be set up.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The server ended by itself.
    #[error("the server stopped: {0}")]
    Server(#[from] io::Error),
    /// An actor ended; what it said is in the log.
    #[error("the {0} stopped unexpectedly; exiting so that this process can be restarted")]
    Actor(&'static str),
    /// Threads hang in the database.
    #[error("the database did not respond for two minutes; exiting so that this process can be restarted")]
    Stuck,
}

/// What a server is made of that tests put in by hand.
pub struct Parts {
    /// The server's keys.
    pub keyring: Keyring,
    /// Where it listens.
    pub listener: TcpListener,
    /// The migrated database.
    pub store: Store,
    /// The way out for mail.
    pub transport: Transport,
}

impl Parts {
    /// As the configuration says; brings the tables up to date.
    pub fn new(config: &Config) -> Result<Self, AppError> {
        // Before anything is opened: a missing secret is told at once.
        let keyring = config.keyring()?;
        let listener = listen(config.bind).map_err(|error| AppError::Bind { address: config.bind, error })?;
        let store = Store::connect(&config.database_url, config.database_pool, Clock::Database)?;
        store.migrate()?;
        Ok(Self { keyring, listener, store, transport: Transport::new(config)? })
    }
}

/// A server that runs.
pub struct Application {
    server: Server,
    registry: Registry,
    registry_vigil: Vigil,
    mailer: Mailer,
    mailer_vigil: Vigil,
    looks: Looks,
    /// The requests', and the mailer's.
    directories: [Directory; 2],
    /// One for each actor: writing mail takes time that the registry needs.
    arbiters: [Arbiter; 2],
}

impl Application {
    /// Starts actors and server, within an actix system.
    pub fn start(config: Config, parts: Parts) -> Result<Self, AppError> {
        let Parts { keyring, listener, store, transport } = parts;
        let keyring = Arc::new(keyring);
        let directory = Directory::new(store.clone(), store.size().saturating_sub(FOR_MAILER));
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let [for_registry, for_mailer] = arbiters.each_ref().map(Arbiter::handle);
        let (registry_pulse, registry_vigil) = pulse();
        let (mailer_pulse, mailer_vigil) = pulse();
        let registry = Registry::start(store.clone(), registry_pulse, &for_registry);
        let looks = Looks::start(store.clone(), &for_registry);
        retention::start(store.clone(), config.audit, &for_mailer);
        let directories = [directory.clone(), Directory::new(store, FOR_MAILER)];
        let [_, for_mail] = directories.clone();
        let postage = Postage {
            directory: for_mail,
            keyring: Arc::clone(&keyring),
            templates: Arc::new(Templates::load(config.mail_templates.as_deref())?),
            transport,
            from: config.mail_from.clone(),
            public_url: config.public_url.as_str().to_owned(),
            language: config.language,
        };
        let mailer = Mailer::start(postage, mailer_pulse, &for_mailer);
        let farewell = Farewell::default();
        let origins = config.cors.clone();
        let services = Data::new(Services {
            authenticator: Authenticator::new(
                directory.clone(),
                registry.clone(),
                Attempts::new(directory.clone(), config.limits.signing_in),
            ),
            registry: registry.clone(),
            mailer: mailer.clone(),
            looks: looks.clone(),
            directory,
            keyring,
            metrics: Metrics::default(),
            farewell: farewell.clone(),
            config,
        });
        let app = move || {
            App::new()
                .configure(|app| configure(app, services.clone()))
                .default_service(web::to(async |request: HttpRequest| Problem::NotFound.answer(&request)))
                .wrap(Condition::new(!origins.origins.is_empty(), cors(&origins)))
                .wrap(NormalizePath::trim())
                .wrap(from_fn(trace))
        };
        let server = server::serve(listener, most_connections(), SHUTDOWN_SECONDS, app)?;
        actix_web::rt::spawn(farewell.await_signal(server.handle())?);
        Ok(Self { server, registry, registry_vigil, mailer, mailer_vigil, looks, directories, arbiters })
    }

    /// Stops the server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Runs until it is told to stop (SIGTERM, Ctrl-C, [`Self::handle`]), lets the
    /// requests under way finish, and writes down what is only in memory.
    pub async fn run(self) -> Result<(), AppError> {
        let [for_requests, for_mail] = &self.directories;
        let done = tokio::select! {
            ended = self.server => ended.map_err(AppError::from),
            () = self.registry_vigil.ended() => Err(AppError::Actor("registry")),
            () = self.mailer_vigil.ended() => Err(AppError::Actor("mailer")),
            () = for_requests.stuck() => Err(AppError::Stuck),
            () = for_mail.stuck() => Err(AppError::Stuck),
        };
        let tidied = async { tokio::join!(self.mailer.rest(), self.registry.flush(), self.looks.flush()) };
        if tokio::time::timeout(TIDYING, tidied).await.is_err() {
            tracing::warn!("counters not saved before shutdown");
        }
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        done
    }
}

/// Serves until told to stop.
pub fn serve(config: Config) -> Result<(), AppError> {
    raise_file_limit();
    let parts = Parts::new(&config)?;
    actix_web::rt::System::new().block_on(async move {
        let address = parts.listener.local_addr()?;
        let mailbox = pages::has_mailbox(&config).then(|| format!("{}/mailbox", config.public_url));
        let application = Application::start(config, parts)?;
        tracing::info!(%address, "listening");
        if let Some(mailbox) = mailbox {
            tracing::info!(%mailbox, "SMTP_URL is not set; mail is saved as files");
        }
        application.run().await
    })
}

/// Listens on an address, with room for a crowd that comes at once: the 128 that std
/// asks for are too few, and who finds no room tries again after a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    rustix::net::listen(&listener, CROWD)?;
    Ok(listener)
}

/// Lets the process have as many files as it may: a connection is one, and what a
/// process gets by default (1,024 mostly) is for programs that cannot count further.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "open file limit not raised");
    }
}

/// How many clients may be connected: so many that there are files left for the
/// database and for mail.
fn most_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let left = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(FILES_OF_OURS);
    left.clamp(1, MOST_CONNECTIONS)
}

/// Answers for the pages of origins that the operator lists. Credentials are
/// not allowed: a page sends its own `Authorization`, never the browser's.
fn cors(config: &config::Cors) -> Cors {
    config
        .origins
        .iter()
        .fold(Cors::default(), |cors, origin| cors.allowed_origin(origin.as_str()))
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allow_any_header()
        .expose_headers([
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            quota::RATELIMIT,
            quota::RATELIMIT_POLICY,
        ])
        .max_age(PREFLIGHT_SECONDS)
}
