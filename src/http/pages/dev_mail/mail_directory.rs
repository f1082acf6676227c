//! Reads the mails in the mail directory of a server without an SMTP server.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::{Address, Message, MessageParser};
use uuid::Uuid;

use crate::domain::timestamp::Timestamp;
use crate::store::LimitOffset;

/// Bytes of a mail that are read. The server's own mails have a few thousand.
const MAX_MAIL_BYTES: u64 = 1 << 20;

/// The parts of a mail that the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredMail {
    /// The name of the file, without its extension.
    pub id: Uuid,
    /// The modification time of the file.
    pub written_at: Timestamp,
    pub from: String,
    pub to: String,
    pub subject: String,
    /// The plain text.
    pub text: String,
}

/// A part of a mail's text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct TextSpan<'a> {
    pub text: &'a str,
    /// Whether the whole text is a URL.
    pub link: bool,
}

/// A page of the mails in a directory, newest first. It lists the whole directory: a
/// development server has few mails.
pub(super) fn list(directory: &Path, page: LimitOffset) -> io::Result<Vec<StoredMail>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files: Vec<(SystemTime, Uuid)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let id = id_from_file_name(Path::new(&entry.file_name()))?;
            Some((entry.metadata().ok()?.modified().ok()?, id))
        })
        .collect();
    files.sort_unstable_by(|one, other| other.cmp(one));
    // A file that was deleted in the meantime is skipped.
    page.take(files).into_iter().filter_map(|(_, id)| read(directory, id).transpose()).collect()
}

/// The mail with this ID. `None` if its file does not exist.
pub(super) fn read(directory: &Path, id: Uuid) -> io::Result<Option<StoredMail>> {
    let file = match File::open(directory.join(format!("{id}.eml"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let modified = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut content = Vec::new();
    file.take(MAX_MAIL_BYTES).read_to_end(&mut content)?;
    let parser = MessageParser::new().with_mime_headers().with_address_headers().with_message_ids();
    let parser = parser.header_text(mail_parser::HeaderName::Subject);
    let message = parser.parse(&content);
    let message = message.as_ref();
    Ok(Some(StoredMail {
        id,
        written_at: Timestamp::from_micros(i64::try_from(modified.as_micros()).unwrap_or(i64::MAX)),
        from: format_addresses(message.and_then(Message::from)),
        to: format_addresses(message.and_then(Message::to)),
        subject: message.and_then(Message::subject).unwrap_or_default().to_owned(),
        text: message.map(plain_text).unwrap_or_default(),
    }))
}

/// The mail ID in a file name.
fn id_from_file_name(file: &Path) -> Option<Uuid> {
    if file.extension()? != "eml" {
        return None;
    }
    // Only in the notation in which the server writes it.
    let name = file.file_stem()?.to_str()?;
    Uuid::try_parse(name).ok().filter(|id| id.to_string() == name)
}

/// The plain text. The page does not show HTML of mails.
fn plain_text(message: &Message<'_>) -> String {
    let plain = message.text_bodies().find(|part| part.is_text() && !part.is_text_html());
    plain.and_then(|part| part.text_contents()).unwrap_or_default().replace('\r', "")
}

/// Addresses with their display names.
fn format_addresses(addresses: Option<&Address<'_>>) -> String {
    let format_address = |person: &mail_parser::Addr<'_>| {
        let address = person.address().unwrap_or_default();
        person.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"))
    };
    let addresses = addresses.into_iter().flat_map(Address::iter);
    addresses.map(format_address).collect::<Vec<_>>().join(", ")
}

impl StoredMail {
    /// The text, split at its links.
    pub fn text_spans(&self) -> Vec<TextSpan<'_>> {
        let mut spans = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c: char| !c.is_ascii_graphic() || "<>\"'`\\^{|}".contains(c));
            let link = from.get(..end.unwrap_or(from.len())).unwrap_or(from);
            // Punctuation at the end of a sentence is not part of the link.
            let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
            spans.push(TextSpan { text: before, link: false });
            spans.push(TextSpan { text: link, link: true });
            rest = from.get(link.len()..).unwrap_or_default();
        }
        spans.push(TextSpan { text: rest, link: false });
        spans.retain(|span| !span.text.is_empty());
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::transport::Transport;
    use lettre::message::MultiPart;

    fn stored_mail(text: &str) -> StoredMail {
        let (from, to, subject) = (String::new(), String::new(), String::new());
        StoredMail {
            id: Uuid::nil(),
            written_at: Timestamp::from_micros(0),
            from,
            to,
            subject,
            text: text.to_owned(),
        }
    }

    #[tokio::test]
    async fn stored_mail_can_be_read_back() {
        let root = tempfile::tempdir().unwrap();
        let transport = Transport::directory(root.path()).unwrap();
        let id = Uuid::from_u128(7);
        let text = "Grüße\n\nhttps://example.org/redeem?token=csr_x\n";
        let mail = lettre::Message::builder()
            .from("Countersign <a@example.org>".parse().unwrap())
            .to("Grace Hopper <b@example.org>".parse().unwrap())
            .subject("Schlaf – eine Anfrage")
            .multipart(MultiPart::alternative_plain_html(text.to_owned(), "<b>Grüße</b>".to_owned()))
            .unwrap();
        transport.send(&mail, id).await.unwrap();
        for other in ["x.eml", ".draft", "00000000-0000-0000-0000-000000000008.txt"] {
            fs::write(root.path().join(other), "not ours").unwrap();
        }
        let mails = list(root.path(), LimitOffset { limit: 10, offset: 0 }).unwrap();
        assert_eq!(mails.len(), 1);
        let stored = read(root.path(), id).unwrap().unwrap();
        assert_eq!(mails, std::slice::from_ref(&stored));
        assert_eq!((stored.id, stored.subject.as_str()), (id, "Schlaf – eine Anfrage"));
        assert_eq!(stored.from, "Countersign <a@example.org>");
        assert_eq!(stored.to, "Grace Hopper <b@example.org>");
        assert_eq!(stored.text.trim_end(), text.trim_end());
        assert_eq!(list(root.path(), LimitOffset { limit: 10, offset: 1 }).unwrap(), []);
        assert_eq!(read(root.path(), Uuid::nil()).unwrap(), None);
    }

    #[test]
    fn invalid_mail_reads_as_empty_and_missing_directory_lists_none() {
        let root = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(7);
        for content in
            [&b""[..], b"\0\xff\r\n\r\n", b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>"]
        {
            fs::write(root.path().join(format!("{id}.eml")), content).unwrap();
            let stored = read(root.path(), id).unwrap().unwrap();
            assert!(!stored.text.contains("script"), "{stored:?}");
        }
        assert_eq!(list(&root.path().join("missing"), LimitOffset { limit: 10, offset: 0 }).unwrap(), []);
    }

    #[test]
    fn links_become_their_own_spans() {
        let plain = |text| TextSpan { text, link: false };
        let link = |text| TextSpan { text, link: true };
        for (text, spans) in [
            ("", vec![]),
            ("nothing", vec![plain("nothing")]),
            ("http://x", vec![link("http://x")]),
            (
                "See https://x/?a=1_2-3.\nBye",
                vec![plain("See "), link("https://x/?a=1_2-3"), plain(".\nBye")],
            ),
            (
                "(http://x) ä http://yä",
                vec![plain("("), link("http://x"), plain(") ä "), link("http://y"), plain("ä")],
            ),
            ("javascript:alert(1) ftp://x", vec![plain("javascript:alert(1) ftp://x")]),
            ("http://x\"onclick=\"y", vec![link("http://x"), plain("\"onclick=\"y")]),
        ] {
            assert_eq!(stored_mail(text).text_spans(), spans, "{text:?}");
        }
    }
}
