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

/// Runs `countersign migrate` on this database. Returns what it says if it fails.
fn migrate(url: &str) -> Result<(), String> {
    migrate_with(url, &[])
}

fn migrate_with(url: &str, environment: &[(&str, &str)]) -> Result<(), String> {
    let directory = ScratchDirectory::new();
    let output = Command::new(server_program([]))
        .arg("migrate")
        .current_dir(directory.path())
        .env_clear()
        .env("DATABASE_URL", url)
        .env("COUNTERSIGN_SECRET", SECRET)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

/// What the program logs and prints at the most verbose level if its start fails.
fn refused_start(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let directory = ScratchDirectory::new();
    let output = Command::new(server_program([]))
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .env("BIND", "127.0.0.1:0")
        .env("COUNTERSIGN_SECRET", SECRET)
        .env("RUST_LOG", "trace")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{environment:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// A password may be set for the wrong option, and libpq and the server quote options.
#[test]
fn no_failed_start_shows_a_value_of_the_database_url() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    let url = cluster.url("postgres");
    let (service_file, services) =
        (ScratchDirectory::new(), "[hunter2]\nsslmode=hunter2\n[bad]\nsslmode=hunter2\n");
    let service_file = service_file.path().join("services");
    std::fs::write(&service_file, services).unwrap();
    let service_file = service_file.display().to_string();
    let at_cluster = [
        "sslmode=hunter2",
        "connect_timeout=hunter2",
        "host=127.0.0.1&port=9&keepalives_idle=hunter2",
        "host=127.0.0.1&port=9&tcp_user_timeout=hunter2",
        "port=hunter2",
        "target_session_attrs=hunter2",
        "channel_binding=hunter2",
        "require_auth=hunter2",
        "client_encoding=hunter2",
        "load_balance_hosts=hunter2",
        "service=hunter2",
        "service=hunter3hunter2",
        "options=hunter2",
        "options=-c%20hunter2",
        "options=-chunter2",
        "options=-c%20hunter2%3D1",
        "options=--hunter2",
        "options=-c%20geqo%3Dhunter2",
        "options=-c%20work_mem%3Dhunter2%20-c%20role%3Dhunter2",
        "user=hunter2",
        "dbname=hunter2",
        "replication=hunter2",
        "host=hunter2",
        "hostaddr=hunter2",
        "host=a,hunter2&port=1,2,3",
        "host=127.0.0.1&port=9&sslmode=verify-full&sslrootcert=hunter2",
        "host=127.0.0.1&port=9&sslmode=verify-full&sslrootcert=/etc/passwd&sslcert=hunter2&sslkey=hunter2",
    ]
    .map(|option| (format!("{url}?{option}"), "DATABASE_URL"));
    let urls = [
        "postgres://hunter2@127.0.0.1:9/d",
        "postgres://u:hunter2@127.0.0.1:9/hunter2",
        "postgres://hunter2/d",
        "postgres:///?service=bad",
        "postgres://u:hunter2/x@h/d",
    ]
    .map(|url| (url.to_owned(), "DATABASE_URL"));
    let variables = ["PGSSLMODE", "PGOPTIONS", "PGSERVICE", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS"]
        .map(|name| ("hunter2".to_owned(), name));
    let cases: Vec<_> = at_cluster.into_iter().chain(urls).chain(variables).collect();
    let check = |(value, name): &(String, &str)| {
        let environment = [("DATABASE_URL", url.as_str()), ("PGSERVICEFILE", &service_file), (name, value)];
        for arguments in [&["serve"][..], &["user", "list", "--json"]] {
            let said = refused_start(arguments, &environment);
            assert!(!said.contains("hunter2"), "{name}={value}: {said}");
            assert!(said.contains("database"), "{name}={value}: {said}");
        }
    };
    // Each start tries for three seconds.
    std::thread::scope(|scope| {
        for cases in cases.chunks(4) {
            scope.spawn(|| cases.iter().for_each(check));
        }
    });
}

#[test]
fn no_failed_start_shows_the_path_of_a_file_with_secrets() {
    crate::server::clean_up_on_interrupt();
    let (directory, secret) = (ScratchDirectory::new(), "hunter2");
    let database = format!("sqlite://{}/countersign.db", directory.path().display());
    let config = directory.path().join("countersign.toml");
    let config_path = config.display().to_string();
    std::fs::write(&config, format!("secret_file = '{config_path}/{secret}'")).unwrap();
    for environment in [
        [("DATABASE_URL", database.as_str()), ("COUNTERSIGN_SECRET", "")],
        [("DATABASE_URL", "postgres://127.0.0.1:9/d"), ("COUNTERSIGN_SECRET", "")],
        [("DATABASE_URL", &database), ("COUNTERSIGN_SECRET_PREVIOUS_FILE", secret)],
        [("DATABASE_URL", &database), ("SMTP_URL", "smtps://u:p@mail.example.org?ca=hunter2")],
        [("DATABASE_URL", &database), ("SMTP_URL_FILE", "smtps://u:hunter2@mail.example.org")],
    ] {
        let said = refused_start(&["serve", "--config", &config_path], &environment);
        assert!(!said.contains(secret) && said.contains("the file that "), "{environment:?}: {said}");
    }
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

/// All forms in which libpq takes hosts: the first one accepts and never responds.
#[test]
fn a_host_that_hangs_does_not_prevent_the_start_in_any_form_of_the_url() {
    crate::server::clean_up_on_interrupt();
    let cluster = Cluster::start_with(ScratchDirectory::new(), &["fsync=off"]);
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hanging.local_addr().unwrap().port();
    forward(TcpListener::bind(("127.0.0.2", port)).unwrap(), cluster.directory().join(".s.PGSQL.5432"));
    let files = ScratchDirectory::new();
    let file = files.path().join("services");
    let service = |name: &str, host: &str, options: &str| {
        format!("[{name}]\n{host}\nport={port}\nuser=countersign\ndbname=postgres\n{options}\n")
    };
    let services = [
        service("two", "host=127.0.0.1,127.0.0.2", ""),
        service("four", "hostaddr=127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.2", ""),
        service("one", "host=127.0.0.2", "connect_timeout=30"),
    ];
    std::fs::write(&file, services.concat()).unwrap();
    let file = file.display().to_string();
    let user = "countersign";
    let urls = [
        format!("postgres://{user}@127.0.0.1:{port},127.0.0.2:{port}/postgres"),
        format!("postgres://{user}@127.0.0.1,127.0.0.1,127.0.0.2/postgres?port={port}"),
        format!("postgres://{user}@127.0.0.1,127.0.0.2/postgres?port={port}&connect_timeout=0"),
        format!("postgres://{user}@127.0.0.1,127.0.0.2/postgres?port={port}&connect_timeout=-1"),
        format!("postgres:///postgres?user={user}&port={port}&hostaddr=127.0.0.1,127.0.0.1,127.0.0.2"),
        format!("postgres://{user}@db1,db2/postgres?port={port}&hostaddr=127.0.0.1,127.0.0.2"),
        "postgres://?service=two".to_owned(),
        "postgres://?service=four".to_owned(),
        "postgres:///postgres?service=one".to_owned(),
    ];
    std::thread::scope(|scope| {
        for url in &urls {
            let environment = [("PGSERVICEFILE", file.as_str()), ("PGCONNECT_TIMEOUT", "0")];
            scope.spawn(move || {
                migrate_with(url, &environment).unwrap_or_else(|said| panic!("{url}: {said}"))
            });
        }
    });
}

/// Forwards the connections of this listener to a socket, until the process ends.
fn forward(listener: TcpListener, socket: std::path::PathBuf) {
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
            let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(std::net::Shutdown::Both);
            });
            std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
        }
    });
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
        let rows = client.simple_query("SHOW plan_cache_mode").unwrap();
        let value = rows.iter().find_map(|row| match row {
            postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        value.unwrap().to_owned()
    };
    // The number of sessions that earlier clients have opened, and whether the pooler takes them in turn.
    for (mode, sessions, in_turn, is_refused) in [
        ("transaction", 0, 0, true),
        ("transaction", 2, 0, true),
        ("transaction", 1, 1, true),
        ("transaction", 2, 1, true),
        ("transaction", 3, 1, true),
        ("transaction", 5, 1, true),
        ("session", 0, 0, false),
        ("session", 3, 1, false),
    ] {
        let directory = ScratchDirectory::new();
        let (path, port) = (directory.path().display(), free_port());
        let settings = format!(
            "[databases]\n* = host={} user=countersign\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             server_round_robin = {in_turn}\n",
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
        let mut clients: Vec<_> =
            (0..sessions).map(|_| postgres::Client::connect(&url, postgres::NoTls).unwrap()).collect();
        let transactions: Vec<_> = clients.iter_mut().map(|client| client.transaction().unwrap()).collect();
        drop(transactions);
        drop(clients);
        let migrated = migrate(&url);
        if !is_refused {
            migrated.unwrap();
            continue;
        }
        let refused = migrated.expect_err(&format!("{mode} {sessions} {in_turn}"));
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
