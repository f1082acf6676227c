//! Builds and runs the server: database, actors, mail and HTTP.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actix_web::App;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::Data;
use futures_util::future::OptionFuture;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::actors::delivery_stats::DeliveryStats;
use crate::actors::mailer::{MailSender, Mailer};
use crate::actors::registry::Registry;
use crate::actors::webhook_worker::{WebhookParts, Webhooks};
use crate::actors::{LivenessWatch, liveness};
use crate::auth::authenticator::Authenticator;
use crate::auth::login_throttle::LoginThrottle;
use crate::config::{Config, ConfigError, DatabaseUrl};
use crate::domain::token::Keyring;
use crate::http::base_path::remove_base_path;
use crate::http::metrics::Metrics;
use crate::http::middleware::admission::WorkerAdmission;
use crate::http::middleware::cors::{cors, refuse_preflight};
use crate::http::middleware::path::trim_slash;
use crate::http::middleware::request::request_middleware;
use crate::http::pages;
use crate::http::server::build;
use crate::http::server::listener::Listener;
use crate::http::server::shutdown::Shutdown;
use crate::http::state::AppState;
use crate::http::{configure, reserved_segment};
use crate::mail::template::{TemplateError, Templates};
use crate::mail::transport::{Transport, TransportError};
use crate::receipt::ReceiptIssuer;
use crate::services::{receipts, webhooks};
use crate::store::signing_keys::SealedUnderOtherSecret;
use crate::store::{AsyncStore, Clock, Conn, Store, StoreError, outbox, webhooks as stored_webhooks};
use crate::tasks::audit_readers::AuditReaders;
use crate::tasks::audit_stream::{AuditStream, AuditStreamError};
use crate::tasks::export_use_counter::ExportUseCounter;
use crate::tasks::link_view_counter::LinkViewCounter;
use crate::tasks::{audit_retention, expire, mail_files, run_sweeps, sweep_rate_limits, webhook_deliveries};
use crate::telemetry::{Tracer, TracerError};
use crate::tls::TlsError;
use crate::webhook::{Resolver, WebhookSender};

/// Seconds that in-flight requests have to finish after a stop.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 15;
/// Database connections of the mailer and the webhook worker.
const MAILER_CONNECTIONS: u32 = 2;
/// Time to write counters that are only in memory to the database at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(6);
/// Open client connections; further clients wait. An idle connection takes some kilobytes.
const MAX_CLIENT_CONNECTIONS: usize = 50_000;
/// File descriptors that are reserved for the database, mail and the server itself.
const RESERVED_FDS: usize = 256;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    AuditStream(#[from] AuditStreamError),
    #[error(
        "PUBLIC_URL must not have a path that starts with `/{0}`, as paths of the server do; use another path"
    )]
    PublicPath(String),
    #[error(transparent)]
    Tracer(#[from] TracerError),
    #[error("cannot listen on {address}: {error}")]
    Bind { address: SocketAddr, error: io::Error },
    #[error("the server stopped: {0}")]
    Server(#[from] io::Error),
    /// An actor stopped. The log has its error.
    #[error("the {0} stopped unexpectedly; exiting so that this process can be restarted")]
    ActorStopped(&'static str),
    #[error("the database did not respond for two minutes; exiting so that this process can be restarted")]
    DatabaseStalled,
}

/// The parts of a server that tests replace.
pub struct Dependencies {
    pub keyring: Keyring,
    pub listener: Listener,
    /// The migrated database.
    pub store: Store,
    pub transport: Transport,
}

impl Dependencies {
    /// Creates the parts from the configuration, and migrates the database.
    pub fn new(config: &Config) -> Result<Self, AppError> {
        if let Some(segment) = reserved_segment(&config.public_url) {
            return Err(AppError::PublicPath(segment.to_owned()));
        }
        if let Some(path) = config.missing_secret_file() {
            check_no_secret_is_lost(&config.database_url, path)?;
        }
        // First, so that a missing secret is reported at once.
        let keyring = config.keyring()?;
        let listener =
            Listener::open(config.bind).map_err(|error| AppError::Bind { address: config.bind, error })?;
        let store = Store::connect(&config.database_url, config.database_pool, Clock::Database)?;
        store.migrate()?;
        Ok(Self { keyring, listener, store, transport: Transport::new(config)? })
    }
}

/// Checks that no mail has been sent with a link that is derived from the secret in this missing file, and that no
/// webhook has a secret that is sealed under it.
fn check_no_secret_is_lost(url: &DatabaseUrl, secret_file: &Path) -> Result<(), AppError> {
    if matches!(url, DatabaseUrl::Sqlite(path) if !path.exists()) {
        return Ok(());
    }
    let store = Store::connect(url, 1, Clock::Database)?;
    let is_needed =
        |conn: &mut Conn| Ok(outbox::has_sent_links(conn)? || stored_webhooks::is_any_active(conn)?);
    if store.has_schema()? && store.read(is_needed)? {
        return Err(ConfigError::LostSecret(secret_file.to_owned()).into());
    }
    Ok(())
}

/// A running server.
pub struct Application {
    server: Server,
    registry_liveness: LivenessWatch,
    mailer: Mailer,
    mailer_liveness: LivenessWatch,
    webhooks: Webhooks,
    webhooks_liveness: LivenessWatch,
    usage: ExportUseCounter,
    link_views: LinkViewCounter,
    audit_stream: AuditStream,
    /// The store of the requests, and that of the mailer and the webhook worker.
    stores: [AsyncStore; 2],
    /// `None` if traces are off.
    tracer: Option<Tracer>,
    /// One thread per actor: composing mail must not delay the registry.
    arbiters: [Arbiter; 2],
}

impl Application {
    /// Starts the actors and the HTTP server. Must run in an actix system.
    pub fn start(config: Config, dependencies: Dependencies) -> Result<Self, AppError> {
        let Dependencies { keyring, listener, store, transport } = dependencies;
        let keyring = Arc::new(keyring);
        if !store.write_in_background(receipts::reseal_key(Arc::clone(&keyring)))? {
            tracing::error!("no receipt can be signed: {SealedUnderOtherSecret}");
        }
        let unreadable = store.write_in_background(webhooks::reseal_secrets(Arc::clone(&keyring)))?;
        if unreadable > 0 {
            tracing::error!(
                webhooks = unreadable,
                "nothing is sent to some webhooks, because their secrets are sealed under another server secret; \
                 set COUNTERSIGN_SECRET_PREVIOUS to the secret before, or give these webhooks new secrets"
            );
        }
        let request_store =
            AsyncStore::new(store.clone(), store.max_connections().saturating_sub(MAILER_CONNECTIONS));
        let arbiters = [Arbiter::new(), Arbiter::new()];
        let [registry_arbiter, mailer_arbiter] = arbiters.each_ref().map(Arbiter::handle);
        let (registry_guard, registry_liveness) = liveness();
        let (mailer_guard, mailer_liveness) = liveness();
        let usage = ExportUseCounter::new(store.clone());
        let link_views = LinkViewCounter::new(store.clone());
        let tracer = config.tracing.as_ref().map(Tracer::start).transpose()?;
        let registry =
            Registry::start(store.clone(), usage.clone(), tracer.clone(), registry_guard, &registry_arbiter);
        registry_arbiter.spawn(usage.clone().run());
        registry_arbiter.spawn(link_views.clone().run());
        registry_arbiter.spawn(expire::run(store.clone()));
        registry_arbiter.spawn(sweep_rate_limits::run(store.clone()));
        registry_arbiter.spawn(run_sweeps::run(store.clone(), config.limits.requests));
        mailer_arbiter.spawn(audit_retention::run(store.clone(), Arc::clone(&keyring), config.audit));
        mailer_arbiter.spawn(mail_files::run(store.clone(), transport.clone(), config.mail));
        let api_path = format!("{}/api/", config.public_url.path());
        let audit_stream = AuditStream::start(store.clone(), config.audit_stream.as_ref(), api_path.clone())?;
        mailer_arbiter.spawn(webhook_deliveries::run(store.clone()));
        let reader_store = store.clone();
        let stores = [request_store.clone(), AsyncStore::new(store, MAILER_CONNECTIONS)];
        let [_, mail_store] = stores.clone();
        let webhook_store = mail_store.clone();
        let receipts =
            ReceiptIssuer::new(Arc::clone(&keyring), config.public_url.as_str(), config.controller.clone());
        let mail_sender = MailSender {
            store: mail_store,
            keyring: Arc::clone(&keyring),
            templates: Arc::new(Templates::load(config.mail_templates.as_deref())?),
            transport,
            from: config.mail_from.clone(),
            public_url: config.public_url.as_str().to_owned(),
            default_language: config.language,
            retry_days: config.mail.retry_days,
            stats: DeliveryStats::default(),
            receipts: receipts.clone(),
        };
        let mailer = Mailer::start(mail_sender, mailer_guard, &mailer_arbiter);
        let webhooks = Webhooks::default();
        let (webhooks_guard, webhooks_liveness) = liveness();
        let webhook_parts = WebhookParts {
            store: webhook_store,
            keyring: Arc::clone(&keyring),
            sender: WebhookSender::new(&config.webhooks, Resolver::System)?,
            tracer: tracer.clone(),
            api_path,
        };
        mailer_arbiter.spawn(webhooks.clone().run(webhook_parts, webhooks_guard));
        let audit_readers =
            AuditReaders { store: reader_store, keyring: Arc::clone(&keyring), deliveries: webhooks.waker() };
        mailer_arbiter.spawn(audit_readers.run());
        let shutdown = Shutdown::default();
        let origins = config.cors.clone();
        let keep_alive = Duration::from_secs(config.keep_alive_seconds);
        let state = Data::new(AppState {
            authenticator: Authenticator::new(
                request_store.clone(),
                registry.clone(),
                LoginThrottle::new(request_store.clone(), config.limits.sign_in),
            ),
            registry: registry.clone(),
            mailer: mailer.clone(),
            webhooks: webhooks.clone(),
            link_views: link_views.clone(),
            store: request_store,
            receipts,
            keyring,
            metrics: Metrics::default(),
            audit_stream: audit_stream.counts(),
            shutdown: shutdown.clone(),
            tracer: tracer.clone(),
            config,
        });
        let app = move || {
            App::new()
                .configure(|app| configure(app, state.clone()))
                .app_data(WorkerAdmission::default())
                .wrap(Condition::new(!origins.origins.is_empty(), cors(&origins)))
                .wrap(from_fn(refuse_preflight))
                .wrap(from_fn(trim_slash))
                .wrap(from_fn(remove_base_path))
                .wrap(from_fn(request_middleware))
        };
        let server = build::serve(
            listener.socket()?,
            max_client_connections(),
            keep_alive,
            SHUTDOWN_TIMEOUT_SECONDS,
            app,
        )?;
        actix_web::rt::spawn(shutdown.stop_on_signal(server.handle(), listener)?);
        Ok(Self {
            server,
            registry_liveness,
            mailer,
            mailer_liveness,
            webhooks,
            webhooks_liveness,
            usage,
            link_views,
            audit_stream,
            stores,
            tracer,
            arbiters,
        })
    }

    /// A handle that stops the server.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Runs until SIGTERM, Ctrl-C or a stop by [`Self::handle`]. Then in-flight requests finish,
    /// counters that are only in memory are written to the database, and the last spans are exported.
    pub async fn run(self) -> Result<(), AppError> {
        let [request_store, mail_store] = &self.stores;
        let result = tokio::select! {
            result = self.server => result.map_err(AppError::from),
            () = self.registry_liveness.ended() => Err(AppError::ActorStopped("registry")),
            () = self.mailer_liveness.ended() => Err(AppError::ActorStopped("mailer")),
            () = self.webhooks_liveness.ended() => Err(AppError::ActorStopped("webhook worker")),
            () = request_store.wait_until_stalled() => Err(AppError::DatabaseStalled),
            () = mail_store.wait_until_stalled() => Err(AppError::DatabaseStalled),
        };
        let flushed = async {
            tokio::join!(
                self.mailer.drain(),
                self.webhooks.drain(),
                self.usage.flush(),
                self.link_views.flush(),
                self.audit_stream.stop()
            )
        };
        let flushed = async {
            if tokio::time::timeout(FLUSH_TIMEOUT, flushed).await.is_err() {
                tracing::warn!("counters not saved before shutdown");
            }
        };
        let exported = OptionFuture::from(self.tracer.map(Tracer::shut_down));
        tokio::join!(flushed, exported);
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        result
    }
}

/// Runs the server until it is stopped.
pub fn serve(config: Config) -> Result<(), AppError> {
    raise_file_limit();
    let dependencies = Dependencies::new(&config)?;
    actix_web::rt::System::new().block_on(async move {
        let address = dependencies.listener.local_addr()?;
        let mailbox =
            pages::has_dev_mail(&config).then(|| pages::dev_mail_url(&config, &dependencies.keyring));
        let application = Application::start(config, dependencies)?;
        tracing::info!(%address, "listening");
        if let Some(mailbox) = mailbox {
            tracing::info!(%mailbox, "SMTP_URL is not set; mail is saved as files. Open this link to read it");
        }
        application.run().await
    })
}

/// Raises the limit of open files to the maximum: each connection needs one, and the usual default
/// is 1,024.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "open file limit not raised");
    }
}

/// The limit of client connections. It leaves [`RESERVED_FDS`] file descriptors.
fn max_client_connections() -> usize {
    let fds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let left = usize::try_from(fds).unwrap_or(usize::MAX).saturating_sub(RESERVED_FDS);
    left.clamp(1, MAX_CLIENT_CONNECTIONS)
}
