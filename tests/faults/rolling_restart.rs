//! Replicas restart one after the other behind an nginx with its default settings.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use countersign::store::Clock;
use rustix::process::Signal;

use crate::cleanup::ScratchDirectory;
use crate::cluster::Cluster;
use crate::helpers::TestApp;
use crate::load::{LoadFixture, assert_consistent};
use crate::nginx_process::Nginx;
use crate::on_own_thread;
use crate::server::Server;

/// nginx closes its connections to the replicas after each request, or keeps them open.
#[tokio::test]
async fn replicas_with_inherited_sockets_restart_unnoticed() {
    for keepalive in ["", "keepalive 16;"] {
        let cluster = on_own_thread(|| Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]));
        let url = cluster.url("postgres");
        let app = TestApp::with_database(url.clone(), Clock::Database, Arc::default());
        let fixture = LoadFixture::new(app, 4_000);
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let mut replicas = listeners.each_ref().map(|listener| Server::start_with_listener(listener, &url));
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let nginx = Nginx::start(|_, port| {
            format!(
                "upstream countersign {{ server {}; server {}; {keepalive} }}\n\
                 server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://countersign; \
                 proxy_http_version 1.1; proxy_set_header Connection ''; }} }}",
                addresses[0], addresses[1],
            )
        })
        .await;
        let load = fixture.start_load_with(&nginx.url, 16, Duration::from_millis(5));
        for nth in [0, 1, 0, 1] {
            replicas[nth].signal(Signal::TERM);
            let exit = replicas[nth].wait_for_exit(Duration::from_secs(20)).await;
            assert!(exit.is_some_and(|(status, _)| status.success()));
            replicas[nth] = Server::start_with_listener(&listeners[nth], &url);
        }
        let calls = load.stop().await;
        let failed: Vec<_> = calls.iter().filter(|call| !matches!(call.status, Some(200 | 201))).collect();
        assert!(
            failed.is_empty(),
            "{} of {} calls with {keepalive:?}: {failed:?}",
            failed.len(),
            calls.len()
        );
        fixture.assert_matches_database(&calls);
        assert_consistent(&fixture.app);
    }
}
