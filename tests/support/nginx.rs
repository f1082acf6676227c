//! A real nginx whose files are all in a temporary directory.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// An nginx process. It is killed when it is dropped.
pub struct Nginx {
    pub url: String,
    process: Child,
    _directory: TempDir,
}

impl Nginx {
    /// Starts nginx as a reverse proxy whose only location has this path and these directives.
    pub async fn start_proxy(location: &str, directives: &str) -> Self {
        Self::start(|_, port| {
            format!("server {{ listen 127.0.0.1:{port}; location {location} {{ {directives} }} }}")
        })
        .await
    }

    /// Starts nginx. `http` returns the content of the `http` block for a directory and a port.
    pub async fn start(http: impl Fn(&Path, u16) -> String) -> Self {
        let program = std::env::var("COUNTERSIGN_TEST_NGINX")
            .expect("COUNTERSIGN_TEST_NGINX names the nginx program: run the tests by `make test`");
        // Another process may take the port before nginx does.
        for _ in 0..5 {
            let directory = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            configure(directory.path(), &http(directory.path(), port));
            let mut process = Command::new(&program)
                .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
                .arg(directory.path())
                .stdin(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{program} (COUNTERSIGN_TEST_NGINX): {error}"));
            if wait_until_listening(&mut process, port).await {
                return Self { url: format!("http://127.0.0.1:{port}"), process, _directory: directory };
            }
        }
        panic!("nginx does not start; its output is above");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configure(directory: &Path, http: &str) {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", directory.display()))
        .concat();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {0}/pid;\nevents {{}}\n\
         http {{\naccess_log off;\nerror_log {0}/log;\n{temporary}{http}\n}}\n",
        directory.display(),
    );
    std::fs::write(directory.join("nginx.conf"), config).unwrap();
}

/// Waits until the process listens. Returns false if it exits instead.
async fn wait_until_listening(process: &mut Child, port: u16) -> bool {
    loop {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
