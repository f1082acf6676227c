//! The pages that show the mails of a development server.

use std::fs;
use std::path::Path;

use countersign::domain::token::{CsrfBinding, Keyring};
use reqwest::{Method, RequestBuilder};
use uuid::Uuid;

use crate::helpers::{SECRET, TestApp};
use crate::page_client::send_for_text;

/// Starts a server that writes mail to this directory and returns its URL.
pub fn spawn_with_mail_directory(app: &mut TestApp, directory: &Path, more: &str) -> String {
    let url = if more.contains("public_url") { "" } else { "public_url = 'http://127.0.0.1:8080'" };
    app.spawn_replica_with(&format!("mail_directory = '{}'\n{url}\n{more}", directory.display()))
}

/// The token of the link that the server prints at its start.
fn token() -> String {
    let keyring = Keyring::new(SECRET.as_bytes(), None).unwrap();
    keyring.csrf_token(CsrfBinding::DevMail)
}

/// The cookie that the link sets.
fn cookie() -> String {
    format!("countersign_mailbox={}", token())
}

/// A request of a browser that has opened the link.
pub fn get(app: &TestApp, url: &str) -> RequestBuilder {
    app.get(url).header("cookie", cookie())
}

fn write(directory: &Path, id: Uuid, subject: &str) {
    let mail = format!(
        "From: countersign@localhost\r\nTo: Grace <grace@example.org>\r\nSubject: {subject}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n\
         --x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         Hello <b>Grace</b>,\r\nhttp://127.0.0.1:8080/redeem?token=csr_abc\r\n\
         --x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<script>alert(1)</script><i>in HTML</i>\r\n--x--\r\n"
    );
    fs::write(directory.join(format!("{id}.eml")), mail).unwrap();
}

on_both_databases! {
    async fn a_local_browser_reads_the_mail_and_opens_the_link(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let url = spawn_with_mail_directory(&mut app, directory.path(), "");
        let (status, page) = send_for_text(get(&app, &format!("{url}/mailbox"))).await;
        assert_eq!(status, 200);
        assert!(page.contains("No emails yet"), "{page}");
        let (first, second) = (Uuid::from_u128(9), Uuid::from_u128(3));
        write(directory.path(), first, "The first");
        write(directory.path(), second, "The <second>");
        let hour_ago = fs::metadata(directory.path().join(format!("{second}.eml"))).unwrap().modified().unwrap()
            - std::time::Duration::from_secs(3_600);
        fs::File::options().write(true).open(directory.path().join(format!("{first}.eml"))).unwrap()
            .set_modified(hour_ago).unwrap();
        let before = app.rows();
        let (status, page) = send_for_text(get(&app, &format!("{url}/mailbox"))).await;
        assert_eq!(status, 200);
        let (newer, older) = (page.find("The &lt;second&gt;").unwrap(), page.find("The first").unwrap());
        assert!(newer < older, "the newest mail is first");
        assert!(page.contains("Grace &lt;grace@example.org&gt;"), "{page}");
        let (status, page) = send_for_text(get(&app, &format!("{url}/mailbox/{second}"))).await;
        assert_eq!(status, 200);
        let link = "<a href=\"http:&#x2f;&#x2f;127.0.0.1:8080&#x2f;redeem?token=csr_abc\" rel=\"noreferrer\">";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("Hello &lt;b&gt;Grace&lt;&#x2f;b&gt;,"), "{page}");
        assert!(!page.contains("in HTML") && !page.contains("alert"), "{page}");
        let head = app.request(Method::HEAD, &format!("{url}/mailbox/{second}")).header("cookie", cookie());
        assert_eq!(head.send().await.unwrap().status(), 200);
        for name in [Uuid::nil().to_string(), "x".to_owned(), "..%2Ftest".to_owned(), "%00".to_owned()] {
            assert_eq!(send_for_text(get(&app, &format!("{url}/mailbox/{name}"))).await.0, 404, "{name}");
        }
        assert_eq!(app.rows(), before);
    }

    async fn the_mails_are_shown_only_with_the_token_of_the_printed_link(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(7);
        write(directory.path(), id, "A secret");
        let url = spawn_with_mail_directory(&mut app, directory.path(), "");
        for path in [
            "/mailbox".to_owned(),
            format!("/mailbox/{id}"),
            "/mailbox?token=".to_owned(),
            format!("/mailbox?token={}x", token()),
        ] {
            for cookie in ["", "countersign_mailbox=", "countersign_mailbox=AAAA", "x=y"] {
                let (status, page) = send_for_text(app.get(&format!("{url}{path}")).header("cookie", cookie)).await;
                assert_eq!(status, 403, "{path} {cookie}");
                assert!(page.contains("when it started") && !page.contains("A secret"), "{page}");
            }
        }
        let opened = app.get(&format!("{url}/mailbox?token={}", token())).send().await.unwrap();
        assert_eq!((opened.status().as_u16(), &opened.headers()["location"]), (303, &"/mailbox".parse().unwrap()));
        let set = opened.headers().get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
        let set = set.filter(|set| set.starts_with(&cookie())).collect::<Vec<_>>();
        assert!(matches!(set.as_slice(), [set] if set.contains("HttpOnly") && set.contains("SameSite=Lax")), "{set:?}");
        assert_eq!(send_for_text(get(&app, &format!("{url}/mailbox"))).await.0, 200);
        let proxied = app.get(&format!("{url}/mailbox?token={}", token())).header("via", "1.1 proxy");
        assert_eq!(proxied.send().await.unwrap().status(), 404);
    }

    async fn a_long_list_of_mails_has_pages(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let url = spawn_with_mail_directory(&mut app, directory.path(), "");
        for nth in 0..30 {
            write(directory.path(), Uuid::from_u128(nth), "A mail");
        }
        let (_, page) = send_for_text(get(&app, &format!("{url}/mailbox"))).await;
        assert_eq!(page.matches(">A mail<").count(), 20);
        assert!(page.contains("offset=20") && page.contains("1 to 20"), "{page}");
        let (_, page) = send_for_text(get(&app, &format!("{url}/mailbox?offset=20"))).await;
        assert_eq!(page.matches(">A mail<").count(), 10);
        assert!(page.contains("offset=0") && !page.contains("offset=40"), "{page}");
        for from in ["1", "-1", "x", "999999999999999999999", ""] {
            assert_eq!(send_for_text(get(&app, &format!("{url}/mailbox?offset={from}"))).await.0, 200);
        }
    }

    async fn a_public_server_or_one_with_smtp_shows_no_mail(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(7);
        write(directory.path(), id, "A secret");
        for more in [
            "smtp_url = 'smtp://127.0.0.1:1'",
            "bind = '0.0.0.0:8080'",
            "bind = '[::]:8080'",
            "bind = '192.0.2.1:8080'",
            "public_url = 'https://consent.example.org'",
            "public_url = 'http://192.0.2.1:8080'",
        ] {
            let url = spawn_with_mail_directory(&mut app, directory.path(), more);
            for path in ["/mailbox".to_owned(), format!("/mailbox/{id}")] {
                let (status, page) = send_for_text(get(&app, &format!("{url}{path}"))).await;
                assert_eq!(status, 404, "{more} {path}");
                assert!(!page.contains("secret"), "{page}");
            }
        }
        let url = spawn_with_mail_directory(&mut app, directory.path(), "bind = '[::1]:8080'");
        assert_eq!(send_for_text(get(&app, &format!("{url}/mailbox/{id}"))).await.0, 200);
    }

    async fn proxied_requests_and_other_host_names_see_no_mail(mut app: TestApp) {
        let directory = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(7);
        write(directory.path(), id, "A secret");
        let url = spawn_with_mail_directory(&mut app, directory.path(), "");
        for path in ["/mailbox".to_owned(), format!("/mailbox/{id}")] {
            let path = format!("{url}{path}");
            for (name, value) in [
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-proto", "https"),
                ("forwarded", "for=127.0.0.1"),
                ("via", "1.1 proxy"),
                ("x-real-ip", "127.0.0.1"),
                ("host", "evil.example"),
                ("host", "127.0.0.1.evil.example:8080"),
            ] {
                let (status, page) = send_for_text(get(&app, &path).header(name, value)).await;
                assert_eq!(status, 404, "{name}: {value}");
                assert!(!page.contains("secret"), "{page}");
            }
            for host in ["localhost:8080", "127.0.0.1", "[::1]:1"] {
                assert_eq!(send_for_text(get(&app, &path).header("host", host)).await.0, 200, "{host}");
            }
        }
    }
}
