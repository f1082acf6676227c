//! Databases that the program must find, or refuse with a message that says what is wrong.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::cleanup::{ChildProcess, ScratchDirectory};
use crate::cluster::Cluster;
use crate::helpers::{SECRET, server_program};
use crate::server::Server;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs `countersign user list` on this database. Returns what it says if it fails.
fn migrate(url: &str) -> Result<(), String> {
    let directory = ScratchDirectory::new();
    let output = Command::new(server_program([]))
        .arg("migrate")
        .current_dir(directory.path())
        .env_clear()
        .env("DATABASE_URL", url)
        .env("COUNTERSIGN_SECRET", SECRET)
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

#[test]
fn a_database_that_is_not_utf_8_is_refused() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let create =
            format!("CREATE DATABASE {encoding} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
        cluster.connect("postgres").batch_execute(&create).unwrap();
        let refused = migrate(&cluster.url(&encoding.to_lowercase())).unwrap_err();
        assert!(refused.contains(&format!("its encoding is {encoding}, not UTF8")), "{refused}");
        let tables = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'";
        assert!(cluster.connect(&encoding.to_lowercase()).query(tables, &[]).unwrap().is_empty());
    }
}

#[test]
fn a_schema_that_is_newer_than_the_program_is_refused() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    migrate(&cluster.url("postgres")).unwrap();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
    cluster.connect("postgres").batch_execute(newer).unwrap();
    let refused = migrate(&cluster.url("postgres")).unwrap_err();
    assert!(refused.contains("its schema is of a newer version"), "{refused}");

    let directory = ScratchDirectory::new();
    let file = directory.path().join("countersign.db");
    let url = format!("sqlite://{}", file.display());
    migrate(&url).unwrap();
    let sqlite = rusqlite::Connection::open(&file).unwrap();
    sqlite.execute(newer, []).unwrap();
    let refused = migrate(&url).unwrap_err();
    assert!(refused.contains("its schema is of a newer version"), "{refused}");
}

/// The socket of each host is in another directory; the first one accepts and never responds.
#[test]
fn the_second_host_is_used_if_the_first_one_hangs() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    let hanging = ScratchDirectory::new();
    let _listener = std::os::unix::net::UnixListener::bind(hanging.path().join(".s.PGSQL.5432")).unwrap();
    let encode = |path: &std::path::Path| path.display().to_string().replace('/', "%2F");
    let hosts = format!("{},{}", encode(hanging.path()), encode(cluster.directory()));
    let url = format!("postgres://countersign@{hosts}/postgres");
    migrate(&url).unwrap();
    let server = Server::start(&url, &[]);
    assert!(server.is_alive());
}

#[test]
fn a_password_and_the_end_of_a_url_may_have_any_form_that_libpq_accepts() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    let host = cluster.directory().display().to_string();
    let encoded = host.replace('/', "%2F");
    for url in [
        format!("postgres://countersign:what?&=@{encoded}/postgres"),
        format!("postgres://countersign@{encoded}/postgres?"),
        format!("postgres://countersign@{encoded}/postgres?sslmode=disable&"),
        format!("postgres:///postgres?host={host}&user=countersign"),
    ] {
        migrate(&url).unwrap();
    }
    let refused = migrate("postgres://cs:hunter2/x@h/d").unwrap_err();
    assert!(!refused.contains("hunter2") && refused.contains("%2F"), "{refused}");
}

/// pgbouncer, if it is installed.
#[test]
fn a_pooler_in_transaction_mode_is_refused_and_one_in_session_mode_is_not() {
    crate::server::clean_up_on_interrupt();
    let program = std::path::Path::new("/usr/sbin/pgbouncer");
    if !program.exists() {
        eprintln!("skipped: pgbouncer is not installed");
        return;
    }
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    let leaks = |client: &mut postgres::Client| -> String {
        client.query("SHOW plan_cache_mode", &[]).unwrap()[0].get(0)
    };
    for (mode, is_refused) in [("transaction", true), ("session", false)] {
        let directory = ScratchDirectory::new();
        let (path, port) = (directory.path().display(), free_port());
        let settings = format!(
            "[databases]\n* = host={} user=countersign\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n",
            cluster.directory().display()
        );
        std::fs::write(directory.path().join("pgbouncer.ini"), settings).unwrap();
        // As PostgreSQL, it does not run as root.
        let user = owner(cluster.directory());
        std::os::unix::fs::chown(directory.path(), Some(user), None).unwrap();
        let mut pooler = Command::new(program);
        pooler.arg("--quiet").arg(format!("{path}/pgbouncer.ini")).current_dir("/");
        std::os::unix::process::CommandExt::uid(&mut pooler, user);
        let _pooler = ChildProcess::start(&mut pooler);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = format!("postgres://countersign@127.0.0.1:{port}/postgres");
        let migrated = migrate(&url);
        if !is_refused {
            migrated.unwrap();
            continue;
        }
        let refused = migrated.unwrap_err();
        assert!(refused.contains("transaction mode") && refused.contains("session mode"), "{refused}");
        let mut other = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        assert_eq!(leaks(&mut other), "auto", "our settings are in another client's session");
    }
}

fn owner(path: &std::path::Path) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(path).unwrap())
}

#[tokio::test]
async fn signals_to_reload_do_not_end_the_server() {
    let directory = ScratchDirectory::new();
    let url = format!("sqlite://{}/countersign.db", directory.path().display());
    let server = Server::start(&url, &[]);
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::ALARM] {
        server.signal(signal);
        assert!(server.wait_for_exit(Duration::from_millis(300)).await.is_none(), "{signal:?}");
    }
    server.signal(Signal::INT);
    assert!(server.wait_for_exit(Duration::from_secs(10)).await.is_some());
}
