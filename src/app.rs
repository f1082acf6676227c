//! The house put together: database, actors, mail and the HTTP server.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actix_cors::Cors;
use actix_web::App;
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::header;
use actix_web::middleware::{Condition, NormalizePath, from_fn};
use actix_web::web::Data;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::actors::link_view_counter::LinkViewCounter;
use crate::actors::mailer::{MailSender, Mailer};
use crate::actors::registry::Registry;
use crate::actors::{LivenessWatch, audit_retention, liveness};
use crate::auth::authenticator::Authenticator;
use crate::auth::login_throttle::LoginThrottle;
use crate::config::{self, Config, ConfigError};
use crate::domain::token::Keyring;
use crate::http::configure;
use crate::http::metrics::Metrics;
use crate::http::middleware::request::request_middleware;
use crate::http::pages;
use crate::http::rate_limit::headers::{RATELIMIT, RATELIMIT_POLICY};
use crate::http::server::build;
use crate::http::server::shutdown::Shutdown;
use crate::http::state::AppState;
use crate::mail::template::{TemplateError, Templates};
use crate::mail::transport::{Transport, TransportError};
use crate::store::{AsyncStore, Clock, Store, StoreError};

/// Seconds that requests under way get to finish when the server is told to stop.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 15;
/// Connections that the mailer uses.
const MAILER_CONNECTIONS: u32 = 2;
/// How long what is only in memory may take to be written down at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(6);
/// The most clients that are connected at a time; the others wait to be. One takes some
/// kilobytes while it does nothing.
const MAX_CLIENT_CONNECTIONS: usize = 50_000;
/// Clients that may come while the server is at something else; the system has a limit of
/// its own (4,096 mostly).
const LISTEN_BACKLOG: i32 = 4_096;
/// Files that are no client's: the database's, mail's and our own.
const RESERVED_FDS: usize = 256;
/// Seconds that a browser may remember a preflight's answer.
const PREFLIGHT_MAX_AGE_SECONDS: usize = 3_600;

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
    ActorStopped(&'static str),
    /// Threads hang in the database.
    #[error("the database did not respond for two minutes; exiting so that this process can be restarted")]
    DatabaseStalled,
}

/// What a server is made of that tests put in by hand.
pub struct Dependencies {
    /// The server's keys.
    pub keyring: Keyring,
    /// Where it listens.
    pub listener: TcpListener,
    /// The migrated database.
    pub store: Store,
    /// The way out for mail.
    pub transport: Transport,
}

impl Dependencies {
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
    registry_liveness: LivenessWatch,
    mailer: Mailer,
    mailer_liveness: LivenessWatch,
    link_views: LinkViewCounter,
    /// The requests', and the mailer's.
    stores: [AsyncStore; 2],
    /// One for each actor: writing mail takes time that the registry needs.
    arbiters: [Arbiter; 2],
}

impl Application {
    /// Starts actors and server, within an actix system.
    pub fn start(config: Config, dependencies: Dependencies) -> Result<Self, AppError> {
        let Dependencies { keyring, listener, store, transport } = dependencies;
        let keyring = Arc::new(keyring);
        let directory =
            AsyncStore::acquired(store.clone(), store.max_connections().saturating_sub(MAILER_CONNECTIONS));
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let [registry_arbiter, mailer_arbiter] = arbiters.each_ref().map(Arbiter::handle);
        let (registry_guard, registry_liveness) = liveness();
        let (mailer_guard, mailer_liveness) = liveness();
        let registry = Registry::start(store.clone(), registry_guard, &registry_arbiter);
        let looks = LinkViewCounter::start(store.clone(), &registry_arbiter);
        audit_retention::start(store.clone(), config.audit, &mailer_arbiter);
        let stores = [directory.clone(), AsyncStore::acquired(store, MAILER_CONNECTIONS)];
        let [_, mail_store] = stores.clone();
        let mail_sender = MailSender {
            store: mail_store,
            keyring: Arc::clone(&keyring),
            templates: Arc::new(Templates::load(config.mail_templates.as_deref())?),
            transport,
            from: config.mail_from.clone(),
            public_url: config.public_url.as_str().to_owned(),
            default_language: config.language,
        };
        let mailer = Mailer::start(mail_sender, mailer_guard, &mailer_arbiter);
        let farewell = Shutdown::default();
        let origins = config.cors.clone();
        let state = Data::new(AppState {
            authenticator: Authenticator::new(
                directory.clone(),
                registry.clone(),
                LoginThrottle::new(directory.clone(), config.limits.sign_in),
            ),
            registry: registry.clone(),
            mailer: mailer.clone(),
            link_views: looks.clone(),
            store: directory,
            keyring,
            metrics: Metrics::default(),
            shutdown: farewell.clone(),
            config,
        });
        let app = move || {
            App::new()
                .configure(|app| configure(app, state.clone()))
                .wrap(Condition::new(!origins.origins.is_empty(), cors(&origins)))
                .wrap(NormalizePath::trim())
                .wrap(from_fn(request_middleware))
        };
        let server = build::serve(listener, max_client_connections(), SHUTDOWN_TIMEOUT_SECONDS, app)?;
        actix_web::rt::spawn(farewell.stop_on_signal(server.handle())?);
        Ok(Self {
            server,
            registry,
            registry_liveness,
            mailer,
            mailer_liveness,
            link_views: looks,
            stores,
            arbiters,
        })
    }

    /// Stops the server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Runs until it is told to stop (SIGTERM, Ctrl-C, [`Self::handle`]), lets the
    /// requests under way finish, and writes down what is only in memory.
    pub async fn run(self) -> Result<(), AppError> {
        let [request_store, mail_store] = &self.stores;
        let done = tokio::select! {
            ended = self.server => ended.map_err(AppError::from),
            () = self.registry_liveness.ended() => Err(AppError::ActorStopped("registry")),
            () = self.mailer_liveness.ended() => Err(AppError::ActorStopped("mailer")),
            () = request_store.wait_until_stalled() => Err(AppError::DatabaseStalled),
            () = mail_store.wait_until_stalled() => Err(AppError::DatabaseStalled),
        };
        let flushed =
            async { tokio::join!(self.mailer.drain(), self.registry.flush(), self.link_views.flush()) };
        if tokio::time::timeout(FLUSH_TIMEOUT, flushed).await.is_err() {
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
    let dependencies = Dependencies::new(&config)?;
    actix_web::rt::System::new().block_on(async move {
        let address = dependencies.listener.local_addr()?;
        let mailbox = pages::has_dev_mail(&config).then(|| format!("{}/mailbox", config.public_url));
        let application = Application::start(config, dependencies)?;
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
    rustix::net::listen(&listener, LISTEN_BACKLOG)?;
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
fn max_client_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let left = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(RESERVED_FDS);
    left.clamp(1, MAX_CLIENT_CONNECTIONS)
}

/// Answers for the pages of origins that the operator lists. Credentials are
/// not allowed: a page sends its own `Authorization`, never the browser's.
fn cors(config: &config::CorsSettings) -> Cors {
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
            RATELIMIT,
            RATELIMIT_POLICY,
        ])
        .max_age(PREFLIGHT_MAX_AGE_SECONDS)
}
