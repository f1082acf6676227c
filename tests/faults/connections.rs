//! Client connections on the level of bytes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub async fn connect(url: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect(url.trim_start_matches("http://")).await
}

/// Sends bytes. Returns whether the server accepted them.
pub async fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).await.is_ok()
}

/// The bytes until the server closes the connection. `None` after the timeout.
pub async fn read_until_closed(stream: &mut TcpStream, timeout: Duration) -> Option<String> {
    let mut said = Vec::new();
    let read = async {
        let mut buffer = [0; 4_096];
        // A reset counts as closed.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(timeout, read).await.ok()?;
    Some(String::from_utf8_lossy(&said).into_owned())
}

/// The head of the next response.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        said.push(stream.read_u8().await.expect("a response"));
    }
    String::from_utf8_lossy(&said).into_owned()
}
