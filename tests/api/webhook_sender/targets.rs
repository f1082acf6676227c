//! Which addresses the sender connects to.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::config::WebhookProxy;
use countersign::domain::webhook::{AttemptOutcome, FailureReason, RefusedTarget};
use countersign::webhook::Resolver;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;

use super::receiver::{Receiver, TestCa, read_request};
use super::{DELIVERED, OK, Setup, failed, responds, send_by};

/// A resolver with an answer for each call, the last one for all further calls, and the number of calls.
fn resolver(answers: &'static [&'static [&'static str]]) -> (Resolver, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let resolve = move |_: &str| {
        let call = counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        answers[call].iter().map(|address| address.parse::<IpAddr>().unwrap()).collect()
    };
    (Resolver::Manual(Arc::new(resolve)), calls)
}

fn refused(reason: RefusedTarget) -> AttemptOutcome {
    failed(FailureReason::Refused(reason))
}

/// The connection goes to the address that was checked, although the name leads elsewhere a moment later.
#[actix_web::test]
async fn a_name_cannot_change_between_check_and_connection() {
    let mut allowed = Receiver::start_at("127.0.0.2:0", responds(OK), None).await;
    let port = allowed.address.port();
    let forbidden = Receiver::start_at(&format!("127.0.0.1:{port}"), responds(OK), None).await;
    let (resolver, calls) = resolver(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let sender = Setup { allow: &["127.0.0.2"], resolver, ..Setup::local() }.sender();
    let url = allowed.url("http", "hooks.test");
    assert_eq!(send_by(&sender, &url).await.outcome, DELIVERED);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "one look-up for each attempt");
    assert!(allowed.next().await.head.starts_with("POST "));
    // The next attempt asks again, and refuses the new address.
    assert_eq!(send_by(&sender, &url).await.outcome, refused(RefusedTarget::NotPublic));
    assert_eq!((calls.load(Ordering::SeqCst), forbidden.connections()), (2, 0));
}

#[actix_web::test]
async fn every_address_of_a_name_is_checked() {
    let mut receiver = Receiver::start_at("127.0.0.2:0", responds(OK), None).await;
    let url = receiver.url("http", "hooks.test");
    for (answers, outcome) in [
        (
            &[&["127.0.0.2", "10.0.0.1"] as &[&str]] as &'static [&'static [&'static str]],
            RefusedTarget::NotPublic,
        ),
        (&[&["127.0.0.2", "8.8.8.8"]], RefusedTarget::NotHttps),
        (&[&["127.0.0.2", "169.254.169.254"]], RefusedTarget::LinkLocal),
        (&[&["127.0.0.2", "::1"]], RefusedTarget::NotPublic),
        (&[&["127.0.0.2", "::ffff:127.0.0.1"]], RefusedTarget::NotPublic),
        (&[&["127.0.0.2", "64:ff9b::7f00:2"]], RefusedTarget::NotPublic),
    ] {
        let setup = Setup { allow: &["127.0.0.2"], resolver: resolver(answers).0, ..Setup::local() };
        assert_eq!(setup.send(&url).await.outcome, refused(outcome), "{answers:?}");
    }
    assert_eq!(receiver.connections(), 0);
    // Nobody listens at the first one.
    let (resolver, _) = resolver(&[&["127.0.0.3", "::ffff:127.0.0.2", "127.0.0.2"]]);
    let setup = Setup { allow: &["127.0.0.2/31"], resolver, ..Setup::local() };
    assert_eq!(setup.send(&url).await.outcome, DELIVERED);
    receiver.next().await;
}

#[actix_web::test]
async fn nothing_is_sent_to_a_target_that_is_not_allowed() {
    let receiver = Receiver::start(responds(OK)).await;
    let port = receiver.address.port();
    for host in
        ["127.0.0.1", "localhost", "a.localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
    {
        for scheme in ["http", "https"] {
            let setup = Setup { allow: &[], resolver: Resolver::System, ..Setup::local() };
            let report = setup.send(&format!("{scheme}://{host}:{port}/")).await;
            assert_eq!(report.outcome, refused(RefusedTarget::NotPublic), "{scheme} {host}");
        }
    }
    let (resolver, calls) = resolver(&[&["127.0.0.1"]]);
    let sender = Setup { allow: &[], resolver, ..Setup::local() }.sender();
    let http = send_by(&sender, &receiver.url("http", "hooks.test")).await;
    assert_eq!(http.outcome, refused(RefusedTarget::NotHttps));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(send_by(&sender, "https://hooks.test/").await.outcome, refused(RefusedTarget::NotPublic));
    assert_eq!(receiver.connections(), 0);
}

#[actix_web::test]
async fn a_name_or_a_port_that_leads_nowhere_is_reported() {
    let unknown = Setup::local().send("http://unknown.test/").await;
    assert_eq!(unknown.outcome, failed(FailureReason::Name));
    let system = Setup { resolver: Resolver::System, ..Setup::local() };
    assert_eq!(system.send("http://unknown.invalid/").await.outcome, failed(FailureReason::Name));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let report = Setup::local().send(&format!("http://{closed}/")).await;
    assert_eq!(report.outcome, failed(FailureReason::Connect));
}

#[actix_web::test]
async fn localhost_is_this_machine() {
    let mut receiver = Receiver::start(responds(OK)).await;
    let setup = Setup { resolver: Resolver::System, ..Setup::local() };
    assert_eq!(setup.send(&receiver.url("http", "localhost")).await.outcome, DELIVERED);
    receiver.next().await;
}

#[actix_web::test]
async fn a_proxy_connects_to_the_receiver() {
    let ca = TestCa::new();
    let tls = Some(ca.server("hooks.test"));
    let mut receiver = Receiver::start_at("127.0.0.1:0", responds(OK), tls).await;
    let target = receiver.address;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // The operating system resolves the proxy's name.
    let proxy = format!("http://me:pass@localhost:{}", listener.local_addr().unwrap().port());
    let proxy: WebhookProxy = proxy.parse().unwrap();
    let (sender, mut requests) = unbounded_channel();
    let responses = [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nRetry-After: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nnot a tunnel",
        "",
    ];
    let proxy_task = actix_web::rt::spawn(async move {
        for response in responses {
            let (mut client, _) = listener.accept().await.unwrap();
            sender.send(read_request(&mut client).await.unwrap()).unwrap();
            client.write_all(response.as_bytes()).await.unwrap();
            if response.contains("established") {
                let mut server = TcpStream::connect(target).await.unwrap();
                // Both sides close the connection when they are done.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        }
    });
    let setup = Setup { allow: &[], resolver: Resolver::System, proxy: Some(proxy), ca: Some(ca.file()) };
    let sender = setup.sender();
    // This name exists for the proxy only.
    assert_eq!(send_by(&sender, "https://hooks.test/in").await.outcome, DELIVERED);
    let request = requests.recv().await.unwrap();
    assert_eq!(
        request.head,
        "CONNECT hooks.test:443 HTTP/1.1\r\nHost: hooks.test:443\r\nProxy-Authorization: Basic bWU6cGFzcw=="
    );
    let delivery = receiver.next().await;
    assert!(delivery.head.starts_with("POST /in HTTP/1.1\r\nHost: hooks.test\r\n"), "{}", delivery.head);
    for _ in &responses[1..] {
        let report = send_by(&sender, "https://hooks.test/in").await;
        assert_eq!(
            report.outcome,
            failed(FailureReason::Proxy),
            "the proxy's response is not the receiver's"
        );
    }
    proxy_task.await.unwrap();
    for url in ["https://127.0.0.1/", "https://169.254.169.254/", "http://hooks.test/"] {
        let report = send_by(&sender, url).await;
        assert!(
            matches!(report.outcome, AttemptOutcome::Failed { reason: FailureReason::Refused(_), .. }),
            "{url}"
        );
    }
}
