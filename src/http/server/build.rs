//! Builds the HTTP server from actix-http's parts: actix-web's `HttpServer` cannot wrap a
//! connection, as [`super::idle_timeout`] requires.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::Server;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;

use super::idle_timeout::TimedStream;

/// How long the server waits for a client to close a connection that is shut down.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves an app on this listener, with at most `connections` connections at a time. A connection is
/// kept open between requests for the keep-alive time. When the server is stopped, in-flight
/// requests have `shutdown_seconds` to finish.
pub fn serve<F, I, S, B>(
    listener: TcpListener,
    connections: usize,
    keep_alive: Duration,
    shutdown_seconds: u64,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections.div_ceil(workers))
        .shutdown_timeout(shutdown_seconds)
        // [`super::shutdown`] handles signals.
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen("http", listener, move || {
        let stopping = stopping.clone();
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // [`TimedStream`] has these timeouts. Those of actix also end a connection whose request has
            // arrived and waits for a busy worker.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .on_connect_ext(|stream: &TimedStream, data| drop(data.insert(stream.activity())))
            .finish(map_config(app, |()| AppConfig::default()));
        let accept = move |stream: TcpStream| async move {
            let stream = TimedStream::new(stream, keep_alive);
            let peer = stream.peer_addr();
            Ok::<_, DispatchError>((stream, Protocol::Http1, peer))
        };
        fn_service(accept).and_then(http)
    })?;
    Ok(server.run())
}
