//! A collector of OpenTelemetry: an HTTP server that decodes the spans that it receives.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// What the collector does with an export.
#[derive(Clone, Copy)]
pub enum Answer {
    Accept,
    /// The status 503.
    Refuse,
    /// It never answers.
    Hang,
}

/// A running collector.
pub struct Collector {
    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    exports: Receiver<Export>,
}

/// One request of the exporter.
pub struct Export {
    /// The request line and the headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Collector {
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, exports) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream.unwrap(), answer, &sender));
            }
        });
        Self { url, exports }
    }

    /// Waits for the next export.
    pub fn next_export(&self) -> Export {
        self.exports.recv_timeout(Duration::from_secs(20)).expect("the server exports spans")
    }

    /// Waits until the spans that have arrived satisfy a condition. Returns all of them.
    pub fn spans_until(&self, is_enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let mut spans = Vec::new();
        while !is_enough(&spans) {
            spans.extend(self.next_export().spans());
        }
        spans
    }

    /// The exports that have arrived and were not read.
    pub fn received(&self) -> Vec<Export> {
        self.exports.try_iter().collect()
    }
}

impl Export {
    pub fn decode(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.as_slice()).unwrap()
    }

    pub fn spans(&self) -> Vec<Span> {
        let scopes = self.decode().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// Attributes as text.
pub fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

/// Reads the requests of a connection.
fn serve(stream: TcpStream, answer: Answer, exports: &Sender<Export>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.expect("a length")];
        reader.read_exact(&mut body).unwrap();
        // The test may have ended.
        let _ = exports.send(Export { head, body });
        let status = match answer {
            Answer::Accept => "200 OK",
            Answer::Refuse => "503 Service Unavailable",
            Answer::Hang => continue,
        };
        let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let _ = writer.write_all(response.as_bytes());
    }
}
